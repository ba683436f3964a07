# SPDX-License-Identifier: Apache-2.0
"""Cohere with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.cohere import modeling_cohere as base


class QualityGateCohereDecoderLayer(base.CohereDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
