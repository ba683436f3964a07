from ..toy.modeling_toy import ToyAttention, ToyMLP, ToyModel


class CaseModel(ToyModel):
    pass


class CaseVisionAttention(ToyAttention):
    pass


class CaseVisionMLP(ToyMLP):
    pass


__all__ = ["CaseModel"]
