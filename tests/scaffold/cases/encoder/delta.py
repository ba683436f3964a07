# SPDX-License-Identifier: Apache-2.0
"""Toy with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.toy import modeling_toy as base


class QualityGateToyOutput(base.ToyOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateToyLayer(base.ToyLayer):
    quality_gate = QualityGate(
        reads="self.feed_forward_chunk", hands="self.output", normed="self.intermediate.LayerNorm"
    )
