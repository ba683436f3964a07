# SPDX-License-Identifier: Apache-2.0
"""Cohere2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.cohere2 import modeling_cohere2 as base


class QualityGateCohere2DecoderLayer(base.Cohere2DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
