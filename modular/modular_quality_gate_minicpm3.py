# SPDX-License-Identifier: Apache-2.0
"""MiniCPM3 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.minicpm3 import modeling_minicpm3 as base


class QualityGateMiniCPM3DecoderLayer(base.MiniCPM3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
