# SPDX-License-Identifier: Apache-2.0
"""GPTNeoX with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gpt_neox import modeling_gpt_neox as base


class QualityGateGPTNeoXLayer(base.GPTNeoXLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_mlp_dropout")
