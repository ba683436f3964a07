from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModle):
    pass


__all__ = ["CaseModel"]
