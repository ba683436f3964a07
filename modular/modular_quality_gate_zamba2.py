# SPDX-License-Identifier: Apache-2.0
"""Zamba2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.zamba2 import modeling_zamba2 as base


class QualityGateZamba2AttentionDecoderLayer(base.Zamba2AttentionDecoderLayer):
    quality_gate = QualityGate(reads="self.feed_forward", scales="self.feed_forward")
