# SPDX-License-Identifier: Apache-2.0
"""Doge with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.doge import modeling_doge as base


class QualityGateDogeDecoderLayer(base.DogeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="F.dropout")
