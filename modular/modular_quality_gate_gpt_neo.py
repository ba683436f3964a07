# SPDX-License-Identifier: Apache-2.0
"""GPT Neo with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gpt_neo import modeling_gpt_neo as base


class QualityGateGPTNeoBlock(base.GPTNeoBlock):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
