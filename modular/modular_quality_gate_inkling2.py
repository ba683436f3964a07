# SPDX-License-Identifier: Apache-2.0
"""Inkling2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.inkling2 import modeling_inkling2 as base


class QualityGateInkling2SlidingDecoderLayer(base.Inkling2SlidingDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_mlp_convolution")


class QualityGateInkling2FullDecoderLayer(base.Inkling2FullDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_mlp_convolution")
