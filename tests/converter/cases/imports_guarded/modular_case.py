from ...utils import is_scipy_available, is_torch_available
from ..toy.modeling_toy import ToyModel


if is_torch_available():
    import torch

if is_scipy_available():
    from scipy import signal


class CaseModel(ToyModel):
    def forward(self, x):
        return torch.exp(x)


__all__ = ["CaseModel"]
