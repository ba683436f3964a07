# SPDX-License-Identifier: Apache-2.0
"""Cohere2Moe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.cohere2_moe import modeling_cohere2_moe as base


class QualityGateCohere2MoeDecoderLayer(base.Cohere2MoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
