# SPDX-License-Identifier: Apache-2.0
"""Jamba with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.jamba import modeling_jamba as base


class QualityGateJambaAttentionDecoderLayer(base.JambaAttentionDecoderLayer):
    quality_gate = QualityGate(reads="self.feed_forward", scales="self.feed_forward")


class QualityGateJambaMambaDecoderLayer(base.JambaMambaDecoderLayer):
    quality_gate = QualityGate(reads="self.feed_forward", scales="self.feed_forward")
