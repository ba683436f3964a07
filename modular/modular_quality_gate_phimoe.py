# SPDX-License-Identifier: Apache-2.0
"""Phimoe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.phimoe import modeling_phimoe as base


class QualityGatePhimoeDecoderLayer(base.PhimoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
