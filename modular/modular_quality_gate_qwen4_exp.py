# SPDX-License-Identifier: Apache-2.0
"""Qwen4Exp with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.qwen4_exp import modeling_qwen4_exp as base


class QualityGateQwen4ExpTextDecoderLayer(base.Qwen4ExpTextDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
