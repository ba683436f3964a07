# SPDX-License-Identifier: Apache-2.0
"""Ernie4_5 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.ernie4_5 import modeling_ernie4_5 as base


class QualityGateErnie4_5DecoderLayer(base.Ernie4_5DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
