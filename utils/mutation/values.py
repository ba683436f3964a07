"""The frozen nouns: a change of a text, a mutant with its place, and what the tests said of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement in a text: the bytes from `start` up to `end` become `new`."""

    start: int
    end: int
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One defect, and where it is."""

    file: str  # below utils/, with slashes: "converter/plan.py"
    line: int  # from 1
    column: int  # from 1, in bytes
    scope: str  # the function around it, "Class.method"; "" in a module's own statements
    operator: str  # what kind of change it is: "boundary"
    text: str  # the line before the change, without its indentation
    becomes: str  # and after it
    old: str  # what is replaced, one line, long ones cut
    new: str
    edit: Edit

    @property
    def package(self) -> str:
        return self.file.partition("/")[0]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.place}: {self.operator}: `{self.old}` -> `{self.new}`"


class Outcome(Enum):
    """What became of a mutant, in the words of the report."""

    NOTICED = "noticed"
    HUNG = "hung"  # its tests took far longer than they do without it, or the process died: noticed as well
    SURVIVED = "survived"
    UNREACHED = "unreached"  # no test runs the function that it is in
    BROKEN = "broken"  # the tests could not be started


@dataclass(frozen=True, slots=True)
class MutantResult:
    """What the tests said of one mutant."""

    mutant: Mutant
    outcome: Outcome
    tests: int  # how many were chosen for it
    seconds: float
    test: str = ""  # the first that failed
    why: str = ""  # of a mutant that changes nothing anybody could see, from the table

    @property
    def is_hole(self) -> bool:
        """Whether it passes, and nothing says why."""
        return self.outcome in (Outcome.SURVIVED, Outcome.UNREACHED) and not self.why
