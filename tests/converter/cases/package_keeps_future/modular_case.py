# The licence.
"""What this model is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from transformers.models.toy.modeling_toy import ToyMLP
from transformers.processing_utils import ProcessorMixin


if TYPE_CHECKING:
    from torch import Tensor


class CaseMLP(ToyMLP):
    def forward(self, x: Tensor) -> Tensor:
        return x

    def following(self, other: CasePart) -> CaseMLP:
        inner: nn.Module = other
        return inner


class CasePart(nn.Module):
    part: CaseMLP


class CaseProcessor(ProcessorMixin):
    """Its file needs no such import."""

    def of(self, size: int) -> int:
        return size


__all__ = ["CaseMLP", "CasePart", "CaseProcessor"]
