# SPDX-License-Identifier: Apache-2.0
"""FalconH1 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.falcon_h1 import modeling_falcon_h1 as base


class QualityGateFalconH1DecoderLayer(base.FalconH1DecoderLayer):
    quality_gate = QualityGate(reads="self.feed_forward", scales="self.feed_forward")
