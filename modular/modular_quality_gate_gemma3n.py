# SPDX-License-Identifier: Apache-2.0
"""Gemma3n with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gemma3n import modeling_gemma3n as base


class QualityGateGemma3nTextDecoderLayer(base.Gemma3nTextDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")
