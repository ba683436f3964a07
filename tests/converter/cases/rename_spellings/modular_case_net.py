from ..toy.modeling_toy import ToyModel


class CaseNetModel(ToyModel):
    """The delta's own text keeps toy, Toy and TOY."""


__all__ = ["CaseNetModel"]
