# SPDX-License-Identifier: Apache-2.0
"""BigBird with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.big_bird import modeling_big_bird as base


class QualityGateBigBirdOutput(base.BigBirdOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateBigBirdLayer(base.BigBirdLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
