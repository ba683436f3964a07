# SPDX-License-Identifier: Apache-2.0
"""Bamba with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.bamba import modeling_bamba as base


class QualityGateBambaDecoderLayer(base.BambaDecoderLayer):
    quality_gate = QualityGate(reads="self.feed_forward", scales="self.feed_forward")
