# SPDX-License-Identifier: Apache-2.0
"""Youtu with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.youtu import modeling_youtu as base


class QualityGateYoutuDecoderLayer(base.YoutuDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
