# SPDX-License-Identifier: Apache-2.0
"""BigBirdPegasus with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.bigbird_pegasus import modeling_bigbird_pegasus as base


class QualityGateBigBirdPegasusDecoderLayer(base.BigBirdPegasusDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
