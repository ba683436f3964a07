# SPDX-License-Identifier: Apache-2.0
"""Ernie4_5_Moe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.ernie4_5_moe import modeling_ernie4_5_moe as base


class QualityGateErnie4_5_MoeDecoderLayer(base.Ernie4_5_MoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
