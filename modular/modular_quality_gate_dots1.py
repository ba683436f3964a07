# SPDX-License-Identifier: Apache-2.0
"""Dots1 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.dots1 import modeling_dots1 as base


class QualityGateDots1DecoderLayer(base.Dots1DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
