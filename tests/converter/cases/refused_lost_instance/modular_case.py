from torch import nn

from ..toy.modeling_toy import ToyMLP


class CaseMLP(ToyMLP):
    pass


class CaseModel(nn.Module):
    def forward(self, module):
        return isinstance(module, (nn.Linear, ToyMLP)) or isinstance(module, CaseMLP)


__all__ = ["CaseMLP", "CaseModel"]
