# SPDX-License-Identifier: Apache-2.0
"""Jais2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.jais2 import modeling_jais2 as base


class QualityGateJais2DecoderLayer(base.Jais2DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
