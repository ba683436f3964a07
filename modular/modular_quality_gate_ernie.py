# SPDX-License-Identifier: Apache-2.0
"""Ernie with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.ernie import modeling_ernie as base


class QualityGateErnieOutput(base.ErnieOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateErnieLayer(base.ErnieLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
