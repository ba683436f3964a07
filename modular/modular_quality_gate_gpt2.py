# SPDX-License-Identifier: Apache-2.0
"""GPT-2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gpt2 import modeling_gpt2 as base


class QualityGateGPT2Block(base.GPT2Block):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
