# SPDX-License-Identifier: Apache-2.0
"""Moshi with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.moshi import modeling_moshi as base


class QualityGateMoshiDecoderLayer(base.MoshiDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
