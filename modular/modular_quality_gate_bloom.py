# SPDX-License-Identifier: Apache-2.0
"""BLOOM with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.bloom import modeling_bloom as base


class QualityGateBloomBlock(base.BloomBlock):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp", adds="residual")
