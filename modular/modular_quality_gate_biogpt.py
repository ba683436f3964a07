# SPDX-License-Identifier: Apache-2.0
"""BioGpt with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.biogpt import modeling_biogpt as base


class QualityGateBioGptDecoderLayer(base.BioGptDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
