from ..toy.modeling_toy import ToyAttention, ToyHead, ToyModel


def own_scale(x):
    return x


class CaseHead(ToyHead):
    scale = own_scale


class CaseModel(ToyModel):
    pass


class CaseAttention(ToyAttention):
    pass


__all__ = ["CaseModel", "CaseHead"]
