"""One modular file and what is to be made of it: the unit that is converted, cached and reported."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from converter.values import Conversion, Loader, Provenance, Target
from diagnostics.errors import words_of
from diagnostics.values import Diagnostic
from syntax.source import Source

from building.library import shown


# The pure core: a modular file's source, its target, the modules it may read, the CamelCase table -> unformatted files.
Convert = Callable[[Source, Target, Loader, Mapping[str, str]], Conversion]


@dataclass(frozen=True, slots=True)
class Job:
    """A modular file, the folder its outputs go to and the dotted names of both.

    `name` is unique among the jobs of a run and is what reports call it.
    """

    name: str
    delta: Path
    module: str  # "transformers.models.qwen3.modular_qwen3"
    package: str  # what the outputs are modules of: "transformers.models.qwen3"
    folder: Path
    target: Target

    def module_of(self, file_name: str) -> str:
        """The dotted name of one of the outputs, given its file name."""
        stem = file_name.removesuffix(".py")
        return self.package if stem == "__init__" else f"{self.package}.{stem}"


@dataclass(frozen=True, slots=True)
class Task:
    """A job with all that its conversion depends on, but for the modules on disk."""

    job: Job
    delta: bytes
    fresh: Mapping[str, str | None]  # modules that will change on disk: their new text, None if they go


class State(Enum):
    """How one output compares with what is on disk."""

    SAME = "same"
    DIFFERS = "differs"
    MISSING = "missing"  # not on disk yet
    LEFTOVER = "leftover"  # on disk, made from this modular file once, and no longer produced
    UNKNOWN = "unknown"  # on disk, and the conversion that would say was refused


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job. It was refused when `problems` is not empty, skipped when `blocked_by` is set."""

    job: Job
    states: Mapping[str, State]  # file name -> state, sorted
    texts: Mapping[str, str] = field(default_factory=dict)  # at least of the files that differ or are missing
    warnings: tuple[Diagnostic, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    blocked_by: str | None = None
    reads: Mapping[str, str] = field(default_factory=dict)  # module -> digest
    made_from: Provenance = field(default_factory=Provenance)
    trace: str = ""  # of an internal error, for --verbose
    seconds: float = 0.0
    cached: bool = False
    why: str = ""  # what has changed since the files on disk were made, as far as the lock can tell

    @property
    def failed(self) -> bool:
        """Whether there is nothing to write, and nothing for dependants to read."""
        return bool(self.problems) or self.blocked_by is not None

    @property
    def fresh(self) -> bool:
        """Whether the disk already holds what the converter makes."""
        return not self.failed and all(state is State.SAME for state in self.states.values())


def refused(outcome: Outcome, problems: Iterable[Diagnostic], trace: str = "") -> Outcome:
    """The outcome of a job whose modular file cannot be converted."""
    return replace(outcome, texts={}, problems=tuple(problems), trace=trace)


def crashed(outcome: Outcome, error: BaseException) -> Outcome:
    """The outcome of a job over which the converter failed: a problem that a user can pass on, not a traceback."""
    trace = "".join(traceback.format_exception(error))
    return refused(outcome, [internal_error(shown(outcome.job.delta), error)], trace)


def internal_error(path: str, error: BaseException) -> Diagnostic:
    """A fault of the converter itself."""
    said = words_of(error, whole=True, kind=True)[:500]
    fix = "this is a fault of the converter: run again with --verbose and report the traceback"
    return Diagnostic("internal-error", path, 1, 1, said, fix)
