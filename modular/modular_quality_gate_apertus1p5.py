# SPDX-License-Identifier: Apache-2.0
"""Apertus1p5Text with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.apertus1p5 import modeling_apertus1p5 as base


class QualityGateApertus1p5TextDecoderLayer(base.Apertus1p5TextDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
