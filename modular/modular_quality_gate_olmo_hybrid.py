# SPDX-License-Identifier: Apache-2.0
"""OlmoHybrid with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.olmo_hybrid import modeling_olmo_hybrid as base


class QualityGateOlmoHybridAttentionDecoderLayer(base.OlmoHybridAttentionDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")


class QualityGateOlmoHybridLinearAttentionDecoderLayer(base.OlmoHybridLinearAttentionDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
