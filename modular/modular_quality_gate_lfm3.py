# SPDX-License-Identifier: Apache-2.0
"""Lfm3 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.lfm3 import modeling_lfm3 as base


class QualityGateLfm3DecoderLayer(base.Lfm3DecoderLayer):
    quality_gate = QualityGate(reads="self.feed_forward", scales="self.post_ffn_norm")
