"""What gated models can do that a model of transformers need not: for annotations, where only a model at hand can tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol


if TYPE_CHECKING:
    import torch


class Generates(Protocol):
    """A model that continues texts."""

    def generate(self, inputs: torch.Tensor, **how: Any) -> torch.Tensor:
        """The tokens and what follows them: `[batch, tokens]` -> `[batch, more tokens]`."""


class HasGates(Protocol):
    """A model with gates of the usual kind, as generated code has it."""

    def quality_layers(self) -> tuple[int, ...]:
        """The numbers of the layers that have a gate."""

    def save_quality_gates(self, folder: str | Path) -> None:
        """Write the gates' weights, and nothing else, into a folder."""

    def load_quality_gates(self, folder: str | Path) -> None:
        """Read them. Raises OSError, ValueError, KeyError or RuntimeError where they are not there or do not fit."""
