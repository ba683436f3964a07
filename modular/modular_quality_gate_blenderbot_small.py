# SPDX-License-Identifier: Apache-2.0
"""BlenderbotSmall with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.blenderbot_small import modeling_blenderbot_small as base


class QualityGateBlenderbotSmallDecoderLayer(base.BlenderbotSmallDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
