# SPDX-License-Identifier: Apache-2.0
"""GPTBigCode with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gpt_bigcode import modeling_gpt_bigcode as base


class QualityGateGPTBigCodeBlock(base.GPTBigCodeBlock):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
