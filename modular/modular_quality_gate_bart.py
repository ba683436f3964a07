# SPDX-License-Identifier: Apache-2.0
"""BART with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.bart import modeling_bart as base


class QualityGateBartDecoderLayer(base.BartDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
