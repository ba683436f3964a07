# SPDX-License-Identifier: Apache-2.0
"""MegatronBERT with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.megatron_bert import modeling_megatron_bert as base


class QualityGateMegatronBertOutput(base.MegatronBertOutput):
    quality_gate = Scaled("hidden_states", into="input_tensor + hidden_states")


class QualityGateMegatronBertLayer(base.MegatronBertLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output", normed="self.ln")
