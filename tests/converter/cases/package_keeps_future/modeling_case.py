# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 24fa15e6ac18dcaba428fc48d8a62fdf73501137d9cbb0447427594cfa7d9be8
# The licence.

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn


if TYPE_CHECKING:
    from torch import Tensor


class CasePart(nn.Module):
    part: CaseMLP


class CaseMLP(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x

    def following(self, other: CasePart) -> CaseMLP:
        inner: nn.Module = other
        return inner


__all__ = ["CaseMLP", "CasePart"]
