import torch

from transformers import PreTrainedModel

from ..toy.modeling_toy import ToyConfig, ToyMLP
from ..toy.modeling_toy import ToyModel as Base


class CaseConfig(ToyConfig):
    pass


class CaseModel(Base, ToyMLP):
    pass


__all__ = ["CaseConfig", "CaseModle"]
