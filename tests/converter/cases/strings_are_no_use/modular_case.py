from typing import Any

import torch

from ...utils import is_torchvision_available


if is_torchvision_available():
    import torchvision


class CaseModel:
    backends = ("torch", "torchvision")
    table = {"a": "Any"}

    def forward(self, x: "torch.Tensor") -> list["Any"]:
        return x


__all__ = ["CaseModel"]
