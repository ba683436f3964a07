# SPDX-License-Identifier: Apache-2.0
"""What the gate says otherwise in a pull request to transformers."""

import torch

from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel

from .modeling import AttentionGate


class AttentionGatePreTrainedModel(PreTrainedModel):
    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, AttentionGate) and module.doubles:
            init.zeros_(module.gate.weight)
