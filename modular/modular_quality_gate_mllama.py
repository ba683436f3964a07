# SPDX-License-Identifier: Apache-2.0
"""Mllama with a quality gate on the input of every feed-forward network.

No gate in MllamaCrossAttentionDecoderLayer, which some inputs leave out: scores are of the same layers for all.
"""

from gates.quality import QualityGate
from transformers.models.mllama import modeling_mllama as base


class QualityGateMllamaSelfAttentionDecoderLayer(base.MllamaSelfAttentionDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
