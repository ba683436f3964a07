# SPDX-License-Identifier: Apache-2.0
"""GlmMoeDsa with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.glm_moe_dsa import modeling_glm_moe_dsa as base


class QualityGateGlmMoeDsaDecoderLayer(base.GlmMoeDsaDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
