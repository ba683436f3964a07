from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    head = None
    tail = AttributeError()


__all__ = ["CaseModel"]
