# SPDX-License-Identifier: Apache-2.0
"""LaraMini with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.lara_mini import modeling_lara_mini as base


class QualityGateLaraMiniDecoderLayer(base.LaraMiniDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
