# SPDX-License-Identifier: Apache-2.0
"""MBART with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.mbart import modeling_mbart as base


class QualityGateMBartDecoderLayer(base.MBartDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
