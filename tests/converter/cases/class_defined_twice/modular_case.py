from ..toy.modeling_toy import ToyMLP


class CaseMLP(ToyMLP):
    size = 1


class CaseModel:
    pass


class CaseMLP(ToyMLP):
    size = 2


__all__ = ["CaseModel"]
