import torch.nn as nn

from ...modeling_layers import Norm
from ..toy.modeling_toy import ToyModel
from ..yet.modeling_yet import YetModel


class CaseModel(ToyModel):
    def norm(self):
        return Norm()


class CaseSecondModel(YetModel):
    pass


__all__ = ["CaseModel", "CaseSecondModel"]
