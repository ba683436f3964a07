# SPDX-License-Identifier: Apache-2.0
"""Arcee with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.arcee import modeling_arcee as base


class QualityGateArceeDecoderLayer(base.ArceeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
