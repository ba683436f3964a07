# SPDX-License-Identifier: Apache-2.0
"""DiffLlama with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.diffllama import modeling_diffllama as base


class QualityGateDiffLlamaDecoderLayer(base.DiffLlamaDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
