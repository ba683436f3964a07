# SPDX-License-Identifier: Apache-2.0
"""Flint with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.flint import modeling_flint as base


class QualityGateFlintDecoderLayer(base.FlintDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
