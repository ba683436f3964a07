# SPDX-License-Identifier: Apache-2.0
"""Olmo3 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.olmo3 import modeling_olmo3 as base


class QualityGateOlmo3DecoderLayer(base.Olmo3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")
