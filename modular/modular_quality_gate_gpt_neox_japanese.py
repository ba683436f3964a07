# SPDX-License-Identifier: Apache-2.0
"""GPTNeoXJapanese with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gpt_neox_japanese import modeling_gpt_neox_japanese as base


class QualityGateGPTNeoXJapaneseLayer(base.GPTNeoXJapaneseLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
