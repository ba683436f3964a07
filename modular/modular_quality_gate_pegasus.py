# SPDX-License-Identifier: Apache-2.0
"""PEGASUS with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.pegasus import modeling_pegasus as base


class QualityGatePegasusDecoderLayer(base.PegasusDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
