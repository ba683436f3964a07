# SPDX-License-Identifier: Apache-2.0
"""What the gate says otherwise in a pull request to transformers."""

import torch

from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel

from .modeling import QualityGate


# The order is that of the signature. transformers' own text for the second speaks of experts alone.
QUALITY_GATE_INPUTS = r"""
    quality_targets (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, sequence_length)`, *optional*):
        Labels for the quality loss: 1 for a sample of the quality to train for, 0 for any other, negative where it is
        not known. One for each token where rows hold several samples.
    output_router_logits (`bool`, *optional*):
        Whether to return the scores of the gates and, where the model has experts, the logits of their routers. If it
        is not given, `config.output_quality_logits` decides; in training they are returned.
"""


class QualityGatePreTrainedModel(PreTrainedModel):
    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, QualityGate):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.gate.weight, mean=mean, std=std)
