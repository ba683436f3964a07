# SPDX-License-Identifier: Apache-2.0
"""Olmoe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.olmoe import modeling_olmoe as base


class QualityGateOlmoeDecoderLayer(base.OlmoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
