# SPDX-License-Identifier: Apache-2.0
"""Ministral3 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.ministral3 import modeling_ministral3 as base


class QualityGateMinistral3DecoderLayer(base.Ministral3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
