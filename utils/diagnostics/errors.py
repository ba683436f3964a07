"""The family of errors that say where something is wrong and what to do; every tool's own are made from these."""

from __future__ import annotations

from diagnostics.values import Diagnostic


def words_of(error: BaseException, *, whole: bool = False, kind: bool = False) -> str:
    """What an exception of somebody else's says, in one line; its type where it says nothing.

    Args:
        error: anything that was raised.
        whole: all of its lines, and not the first alone.
        kind: its type in front, "ValueError: it is too long".
    """
    name, said = type(error).__name__, " ".join(str(error).split())
    if not said:
        return name
    said = said if whole else str(error).strip().splitlines()[0]
    return f"{name}: {said}" if kind else said


class LocatedError(Exception):
    """Something was refused. `str` of it is what a command prints; programs get its diagnostics.

    Carries one or more diagnostics; what it says of itself is said of the first.
    """

    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def code(self) -> str:
        """Of docs/errors.md; "" where there is none."""
        return self.diagnostics[0].code

    @property
    def path(self) -> str:
        """A file, a folder or an option; "" where a command line as a whole is wrong."""
        return self.diagnostics[0].path

    @property
    def line(self) -> int:
        """From 1; 0 where there are no lines."""
        return self.diagnostics[0].line

    @property
    def message(self) -> str:
        """What is wrong."""
        return self.diagnostics[0].message

    @property
    def fix(self) -> str:
        """What to do."""
        return self.diagnostics[0].fix


class UnknownName(LocatedError):
    """A name that was given means nothing here."""

    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(code, message, fix)
        self.diagnostics = (Diagnostic(code, "", 0, 0, message, fix),)

    def __str__(self) -> str:
        return f"{self.message}; {self.fix}"


class ConversionError(LocatedError):
    """A model was refused. Carries one or more diagnostics, and survives pickling out of a worker process."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return "\n".join(map(str, self.diagnostics))
