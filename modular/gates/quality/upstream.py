# SPDX-License-Identifier: Apache-2.0
"""What the gate says otherwise in a pull request to transformers."""

import torch

from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel

from .modeling import QualityGate


class QualityGatePreTrainedModel(PreTrainedModel):
    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, QualityGate):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.gate.weight, mean=mean, std=std)
