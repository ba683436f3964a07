# SPDX-License-Identifier: Apache-2.0
"""MiniMaxM2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.minimax_m2 import modeling_minimax_m2 as base


class QualityGateMiniMaxM2DecoderLayer(base.MiniMaxM2DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
