# SPDX-License-Identifier: Apache-2.0
"""X-MOD with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate, Scaled
from transformers.models.xmod import modeling_xmod as base


class QualityGateXmodOutput(base.XmodOutput):
    quality_gate = Scaled("hidden_states", into="hidden_states + input_tensor")


class QualityGateXmodLayer(base.XmodLayer):
    quality_gate = QualityGate(reads="self.feed_forward_chunk", hands="self.output")
