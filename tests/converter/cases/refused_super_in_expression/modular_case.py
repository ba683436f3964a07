from torch import nn

from ..toy.modeling_toy import ToyLayer


class CaseLayer(ToyLayer):
    def forward(self, x):
        return super().forward(x) + 1

    def extra_repr(self):
        return super().extra_repr() + "of nn.Module, which survives"


__all__ = ["CaseLayer"]
