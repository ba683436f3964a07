# SPDX-License-Identifier: Apache-2.0
"""Olmo2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.olmo2 import modeling_olmo2 as base


class QualityGateOlmo2DecoderLayer(base.Olmo2DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")
