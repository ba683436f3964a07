# SPDX-License-Identifier: Apache-2.0
"""Camembert with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.camembert import modeling_camembert as base


class QualityGateCamembertOutput(base.CamembertOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateCamembertLayer(base.CamembertLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
