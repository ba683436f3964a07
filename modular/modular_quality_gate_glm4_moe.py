# SPDX-License-Identifier: Apache-2.0
"""Glm4Moe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.glm4_moe import modeling_glm4_moe as base


class QualityGateGlm4MoeDecoderLayer(base.Glm4MoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
