"""What a finder answers: the places that a delta declares, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from weave.place import Where


class NoPlace(Exception):
    """There is no statement that a gate can be put at; `line` is the line of the base's file that says so."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Found:
    """The places of one layer's gate, and the lines of the base's statements that it stands before."""

    declared: Mapping[str, Where]  # by the class of the base that says it, in the order of a delta
    lines: tuple[int, ...]
