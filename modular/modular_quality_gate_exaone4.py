# SPDX-License-Identifier: Apache-2.0
"""Exaone4 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.exaone4 import modeling_exaone4 as base


class QualityGateExaone4DecoderLayer(base.Exaone4DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")
