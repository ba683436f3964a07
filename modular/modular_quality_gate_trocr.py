# SPDX-License-Identifier: Apache-2.0
"""TrOCR with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.trocr import modeling_trocr as base


class QualityGateTrOCRDecoderLayer(base.TrOCRDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
