# SPDX-License-Identifier: Apache-2.0
"""Roberta with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.roberta import modeling_roberta as base


class QualityGateRobertaOutput(base.RobertaOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateRobertaLayer(base.RobertaLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
