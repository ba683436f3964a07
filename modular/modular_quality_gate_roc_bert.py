# SPDX-License-Identifier: Apache-2.0
"""RoCBert with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.roc_bert import modeling_roc_bert as base


class QualityGateRoCBertOutput(base.RoCBertOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateRoCBertLayer(base.RoCBertLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
