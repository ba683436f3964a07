# SPDX-License-Identifier: Apache-2.0
"""Qwen3_5 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.qwen3_5 import modeling_qwen3_5 as base


class QualityGateQwen3_5DecoderLayer(base.Qwen3_5DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
