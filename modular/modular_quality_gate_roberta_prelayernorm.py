# SPDX-License-Identifier: Apache-2.0
"""RoBERTa-PreLayerNorm with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.roberta_prelayernorm import modeling_roberta_prelayernorm as base


class QualityGateRobertaPreLayerNormOutput(base.RobertaPreLayerNormOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateRobertaPreLayerNormLayer(base.RobertaPreLayerNormLayer):
    quality_gate = QualityGate(
        reads="self.feed_forward_chunk", hands="self.output", normed="self.intermediate.LayerNorm"
    )
