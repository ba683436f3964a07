# The licence of the case.
import torch

from transformers.models.toy.modeling_toy import ToyModel

from ...configuration_utils import PreTrainedConfig
from ..auto import AutoModel


class CaseConfig(PreTrainedConfig):
    model_type = "case"


class CaseModel(ToyModel):
    def forward(self, x: torch.Tensor):
        return AutoModel.from_config(self.config)(x)


__all__ = ["CaseConfig", "CaseModel"]
