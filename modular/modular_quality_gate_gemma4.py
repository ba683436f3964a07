# SPDX-License-Identifier: Apache-2.0
"""Gemma4 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gemma4 import modeling_gemma4 as base


class QualityGateGemma4TextDecoderLayer(base.Gemma4TextDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")
