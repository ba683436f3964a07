# SPDX-License-Identifier: Apache-2.0
"""XLMRobertaXL with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.xlm_roberta_xl import modeling_xlm_roberta_xl as base


class QualityGateXLMRobertaXLOutput(base.XLMRobertaXLOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateXLMRobertaXLLayer(base.XLMRobertaXLLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output", normed="self.LayerNorm")
