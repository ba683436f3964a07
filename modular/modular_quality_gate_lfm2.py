# SPDX-License-Identifier: Apache-2.0
"""Lfm2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.lfm2 import modeling_lfm2 as base


class QualityGateLfm2DecoderLayer(base.Lfm2DecoderLayer):
    quality_gate = QualityGate(reads="self.feed_forward", scales="self.feed_forward")
