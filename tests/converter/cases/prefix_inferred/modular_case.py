from ..toy.modeling_toy import ToyMLP, ToyModel


class CaseTextMLP(ToyMLP):
    pass


class CaseTextModel(ToyModel):
    pass


__all__ = ["CaseTextModel"]
