# SPDX-License-Identifier: Apache-2.0
"""MPT with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.mpt import modeling_mpt as base


class QualityGateMptBlock(base.MptBlock):
    quality_gate = QualityGate(reads="self.ffn", scales="self.ffn", adds="residual")
