from ..toy.modeling_toy import ToyMLP


class CaseH_OmniMLP(ToyMLP):
    pass


__all__ = ["CaseH_OmniMLP"]
