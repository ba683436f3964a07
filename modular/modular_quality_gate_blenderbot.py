# SPDX-License-Identifier: Apache-2.0
"""Blenderbot with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.blenderbot import modeling_blenderbot as base


class QualityGateBlenderbotDecoderLayer(base.BlenderbotDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
