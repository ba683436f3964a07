# SPDX-License-Identifier: Apache-2.0
"""Gemma4Unified with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gemma4_unified import modeling_gemma4_unified as base


class QualityGateGemma4UnifiedTextDecoderLayer(base.Gemma4UnifiedTextDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")
