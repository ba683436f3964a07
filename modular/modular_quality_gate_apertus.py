# SPDX-License-Identifier: Apache-2.0
"""Apertus with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.apertus import modeling_apertus as base


class QualityGateApertusDecoderLayer(base.ApertusDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
