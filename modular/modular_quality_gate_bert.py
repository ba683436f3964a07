# SPDX-License-Identifier: Apache-2.0
"""BERT with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.bert import modeling_bert as base


class QualityGateBertOutput(base.BertOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateBertLayer(base.BertLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
