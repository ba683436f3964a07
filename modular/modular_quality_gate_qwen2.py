# SPDX-License-Identifier: Apache-2.0
"""Qwen2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.qwen2 import modeling_qwen2 as base


class QualityGateQwen2DecoderLayer(base.Qwen2DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
