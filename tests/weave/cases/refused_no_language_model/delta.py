# SPDX-License-Identifier: Apache-2.0
"""Toy with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.toy import modeling_toy as base


class QualityGateToyDecoderLayer(base.ToyDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
