# SPDX-License-Identifier: Apache-2.0
"""Marian with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.marian import modeling_marian as base


class QualityGateMarianDecoderLayer(base.MarianDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
