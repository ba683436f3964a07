# SPDX-License-Identifier: Apache-2.0
"""Lfm2Moe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.lfm2_moe import modeling_lfm2_moe as base


class QualityGateLfm2MoeDecoderLayer(base.Lfm2MoeDecoderLayer):
    quality_gate = QualityGate(reads="self.feed_forward", scales="self.feed_forward")
