# SPDX-License-Identifier: Apache-2.0
"""CohereCompass with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.cohere_compass import modeling_cohere_compass as base


class QualityGateCohereCompassDecoderLayer(base.CohereCompassDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
