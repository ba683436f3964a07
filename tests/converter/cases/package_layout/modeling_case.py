# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 6a77367fb8de501798925335be304aec5a802dc5b05c97bcbfd224e932dcbf6d
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

    def forward(self, x: torch.Tensor):
        return AutoModel.from_config(self.config)(x)


__all__ = ["CaseModel"]
