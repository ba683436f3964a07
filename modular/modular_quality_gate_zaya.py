# SPDX-License-Identifier: Apache-2.0
"""Zaya with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.zaya import modeling_zaya as base


class QualityGateZayaDecoderLayer(base.ZayaDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
