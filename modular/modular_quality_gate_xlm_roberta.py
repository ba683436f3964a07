# SPDX-License-Identifier: Apache-2.0
"""XLMRoberta with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.xlm_roberta import modeling_xlm_roberta as base


class QualityGateXLMRobertaOutput(base.XLMRobertaOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateXLMRobertaLayer(base.XLMRobertaLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
