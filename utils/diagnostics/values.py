"""A problem as a value: what is wrong, where, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem in one place.

    `code` is stable and greppable (every code is listed in docs/errors.md); `line` and `column` count from 1, and are 0 of
    what has no lines: a folder, an option, a file of weights.
    """

    code: str
    path: str
    line: int
    column: int
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.code}: {self.message}\n    fix: {self.fix}"
