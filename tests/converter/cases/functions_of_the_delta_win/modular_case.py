import math

from ..toy.modeling_toy import ToyModel
from ..yet.modeling_yet import helper


def scaled(x):
    return helper(math.pi, x)


class CaseModel(ToyModel):
    pass


__all__ = ["CaseModel"]
