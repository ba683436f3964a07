# SPDX-License-Identifier: Apache-2.0
"""What the gate says otherwise in a pull request to transformers."""

import torch

from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel

from .modeling import AttentionGate


ATTENTION_GATE_INPUTS = r"""
    output_attention_gates (`bool`, *optional*):
        Whether to return the gates of every layer. If it is not given, `config.output_attention_gates` decides.
"""


class AttentionGatePreTrainedModel(PreTrainedModel):
    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, AttentionGate) and module.doubles:
            init.zeros_(module.gate.weight)
