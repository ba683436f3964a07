# SPDX-License-Identifier: Apache-2.0
"""Glm4 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.glm4 import modeling_glm4 as base


class QualityGateGlm4DecoderLayer(base.Glm4DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_mlp_layernorm")
