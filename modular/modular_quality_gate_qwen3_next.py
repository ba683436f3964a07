# SPDX-License-Identifier: Apache-2.0
"""Qwen3Next with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.qwen3_next import modeling_qwen3_next as base


class QualityGateQwen3NextDecoderLayer(base.Qwen3NextDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="hidden_states", into="residual + hidden_states")
