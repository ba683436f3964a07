# SPDX-License-Identifier: Apache-2.0
"""MiniMaxM3VL with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.minimax_m3_vl import modeling_minimax_m3_vl as base


class QualityGateMiniMaxM3VLDecoderLayer(base.MiniMaxM3VLDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
