from ..toy.modeling_toy import ToyNetMLP


class CaseNetMLP(ToyNetMLP):  # the common suffix is NetMLP, but `Case` is not the model's name
    pass


__all__ = ["CaseNetMLP"]
