# SPDX-License-Identifier: Apache-2.0
"""Falcon with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.falcon import modeling_falcon as base


class QualityGateFalconDecoderLayer(base.FalconDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
