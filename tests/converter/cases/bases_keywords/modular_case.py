from ..toy.modeling_toy import ToyKwargs


class CaseKwargs(ToyKwargs):
    size: int


__all__ = ["CaseKwargs"]
