# SPDX-License-Identifier: Apache-2.0
"""Zamba with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.zamba import modeling_zamba as base


class QualityGateZambaAttentionDecoderLayer(base.ZambaAttentionDecoderLayer):
    quality_gate = QualityGate(reads="self.feed_forward", scales="self.feed_forward")
