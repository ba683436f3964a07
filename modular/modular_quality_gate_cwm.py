# SPDX-License-Identifier: Apache-2.0
"""Cwm with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.cwm import modeling_cwm as base


class QualityGateCwmDecoderLayer(base.CwmDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
