# SPDX-License-Identifier: Apache-2.0
"""MiniMax with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.minimax import modeling_minimax as base


class QualityGateMiniMaxDecoderLayer(base.MiniMaxDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
