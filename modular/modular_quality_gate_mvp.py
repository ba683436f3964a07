# SPDX-License-Identifier: Apache-2.0
"""MVP with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.mvp import modeling_mvp as base


class QualityGateMvpDecoderLayer(base.MvpDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
