# SPDX-License-Identifier: Apache-2.0
"""Qwen2Moe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.qwen2_moe import modeling_qwen2_moe as base


class QualityGateQwen2MoeDecoderLayer(base.Qwen2MoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
