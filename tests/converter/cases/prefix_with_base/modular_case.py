from ..toy.modeling_toy import ToyMLP


class CaseToyMLP(ToyMLP):
    pass


__all__ = ["CaseToyMLP"]
