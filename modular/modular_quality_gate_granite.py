# SPDX-License-Identifier: Apache-2.0
"""Granite with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.granite import modeling_granite as base


class QualityGateGraniteDecoderLayer(base.GraniteDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
