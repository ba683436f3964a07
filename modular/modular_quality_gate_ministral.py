# SPDX-License-Identifier: Apache-2.0
"""Ministral with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.ministral import modeling_ministral as base


class QualityGateMinistralDecoderLayer(base.MinistralDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
