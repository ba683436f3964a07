from ..toy.modeling_toy import ToyModel
from ..yet.modeling_yet import helper


def scaled(x):
    return helper(x)  # where scaled replaces a parent's function, it brings only what that parent's file has


class CaseModel(ToyModel):
    pass


class CaseOther:
    act = helper


__all__ = ["CaseModel"]
