# SPDX-License-Identifier: Apache-2.0
"""Gemma2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gemma2 import modeling_gemma2 as base


class QualityGateGemma2DecoderLayer(base.Gemma2DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")
