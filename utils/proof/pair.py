"""A base and the model that was converted from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


SEED = 0  # of weights, and of whatever a call draws


@dataclass(frozen=True, slots=True)
class Pair:
    """A base and the model that was converted from it."""

    base: Any
    converted: Any

    def base_name(self, name: str) -> str:
        """What the base calls a module or weight of the converted model."""
        old, new = self.base.base_model_prefix, self.converted.base_model_prefix
        return old + name[len(new) :] if name.split(".")[0] == new else name
