from ..toy.modeling_toy import ToyConv, ToyModel


class ToyConv(ToyConv):
    depth = 2


class CaseOther:
    conv = ToyConv


__all__ = ["CaseOther"]
