# SPDX-License-Identifier: Apache-2.0
"""Mellum with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.mellum import modeling_mellum as base


class QualityGateMellumDecoderLayer(base.MellumDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
