# SPDX-License-Identifier: Apache-2.0
"""Whisper with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.whisper import modeling_whisper as base


class QualityGateWhisperDecoderLayer(base.WhisperDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
