# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 6c941429c93aa96087b0f1fdc97f8ace4851b497647c8472d36dadeb8e2b36a4
# The licence of the case.
import torch

from transformers.activations import ACT2FN
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel

from .configuration_case import CaseConfig


class CaseModel(PreTrainedModel):
    config: CaseConfig

    def act(self):
        return ACT2FN["silu"]

    def kernel(self):
        from transformers.integrations.hub_kernels import (
            get_kernel,  # only where it is asked for
        )
        from transformers.models import auto

        from .configuration_case import CaseConfig

        return get_kernel(auto, CaseConfig)

    def forward(self, x: torch.Tensor):
        return AutoModel.from_config(self.config)(x)


__all__ = ["CaseModel"]
