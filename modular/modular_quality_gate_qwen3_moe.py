# SPDX-License-Identifier: Apache-2.0
"""Qwen3Moe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.qwen3_moe import modeling_qwen3_moe as base


class QualityGateQwen3MoeDecoderLayer(base.Qwen3MoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
