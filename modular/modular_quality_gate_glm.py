# SPDX-License-Identifier: Apache-2.0
"""Glm with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.glm import modeling_glm as base


class QualityGateGlmDecoderLayer(base.GlmDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
