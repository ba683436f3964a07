# SPDX-License-Identifier: Apache-2.0
"""GPT-J with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gptj import modeling_gptj as base


class QualityGateGPTJBlock(base.GPTJBlock):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
