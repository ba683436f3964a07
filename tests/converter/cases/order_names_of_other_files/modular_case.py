from ..toy.modeling_toy import ToyModel
from ..yet.modeling_yet import alpha, beta, gamma


def own(x):
    return x


class CaseModel(ToyModel):
    parts = [own, gamma, alpha, beta]


class CaseOther:
    parts = [own, beta, gamma, alpha]


__all__ = ["CaseModel", "CaseOther"]
