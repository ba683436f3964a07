# SPDX-License-Identifier: Apache-2.0
"""PLBart with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.plbart import modeling_plbart as base


class QualityGatePLBartDecoderLayer(base.PLBartDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
