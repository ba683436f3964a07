# SPDX-License-Identifier: Apache-2.0
"""Gemma with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gemma import modeling_gemma as base


class QualityGateGemmaDecoderLayer(base.GemmaDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
