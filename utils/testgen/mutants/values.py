"""The frozen nouns: a way to break a model, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One defect: `old`, which has to occur exactly once in the generated file, becomes `new`."""

    name: str  # "sigmoid-twice"
    what: str  # what is wrong then, in words
    old: str
    new: str
    noticed_by: str  # classes of tests that run against it, as pytest's `-k` takes them: "TestGate or TestLoss"
    file: str = "modeling"


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """What a suite said of one mutant."""

    mutant: str
    status: int  # pytest's exit status: 1 some test failed
    test: str  # the first test that failed, "TestGate::test_..."; "" where none did
    seconds: float

    @property
    def noticed(self) -> bool:
        return self.status == 1 and bool(self.test)
