# SPDX-License-Identifier: Apache-2.0
"""RoFormer with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.roformer import modeling_roformer as base


class QualityGateRoFormerOutput(base.RoFormerOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateRoFormerLayer(base.RoFormerLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
