# SPDX-License-Identifier: Apache-2.0
"""Mistral with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.mistral import modeling_mistral as base


class QualityGateMistralDecoderLayer(base.MistralDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
