from ..toy.modeling_toy import ToyAttention, ToyMLP, ToyModel


class CaseAttention(ToyAttention):
    def forward(self, x):
        return x


class CaseMLP(ToyMLP):
    size = 2
    r"""A string anywhere in the class is its docstring."""

    def forward(self, x):
        """From the delta."""
        return x


class CaseModel(ToyModel):
    size = 3


__all__ = ["CaseModel"]
