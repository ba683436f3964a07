# SPDX-License-Identifier: Apache-2.0
"""Laguna with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.laguna import modeling_laguna as base


class QualityGateLagunaDecoderLayer(base.LagunaDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
