# SPDX-License-Identifier: Apache-2.0
"""Mistral4 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.mistral4 import modeling_mistral4 as base


class QualityGateMistral4DecoderLayer(base.Mistral4DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
