# SPDX-License-Identifier: Apache-2.0
"""SmolLM3 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.smollm3 import modeling_smollm3 as base


class QualityGateSmolLM3DecoderLayer(base.SmolLM3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
