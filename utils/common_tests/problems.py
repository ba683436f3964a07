"""What can go wrong before a test runs."""

from __future__ import annotations

from diagnostics.errors import LocatedError
from diagnostics.values import Diagnostic


class SuiteError(LocatedError):
    """The suite cannot run: what is wrong and where, and what to do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message, fix)
        self.diagnostics = (Diagnostic("", "", 0, 0, message, fix),)

    def __str__(self) -> str:
        return f"{self.message}\n    fix: {self.fix}"
