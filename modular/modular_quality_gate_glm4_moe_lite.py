# SPDX-License-Identifier: Apache-2.0
"""Glm4MoeLite with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.glm4_moe_lite import modeling_glm4_moe_lite as base


class QualityGateGlm4MoeLiteDecoderLayer(base.Glm4MoeLiteDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
