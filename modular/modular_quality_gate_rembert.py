# SPDX-License-Identifier: Apache-2.0
"""RemBERT with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.rembert import modeling_rembert as base


class QualityGateRemBertOutput(base.RemBertOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateRemBertLayer(base.RemBertLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
