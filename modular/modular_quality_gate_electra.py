# SPDX-License-Identifier: Apache-2.0
"""ELECTRA with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.electra import modeling_electra as base


class QualityGateElectraOutput(base.ElectraOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateElectraLayer(base.ElectraLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
