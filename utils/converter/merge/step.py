"""One step of merging: a part of what comes out, made of both originals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar


Both = TypeVar("Both")


@dataclass(frozen=True, slots=True)
class MergeStep(Generic[Both]):
    """What makes one part, and what it does; steps stand in their table in the order of the text."""

    part: str
    make: Callable[[Both], str]
    does: str
    case: str  # in tests/converter/cases/, which comes out otherwise without this step
