# SPDX-License-Identifier: Apache-2.0
"""Qwen3_5Moe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.qwen3_5_moe import modeling_qwen3_5_moe as base


class QualityGateQwen3_5MoeDecoderLayer(base.Qwen3_5MoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="hidden_states", into="residual + hidden_states")
