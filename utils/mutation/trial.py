"""Mutants against the tests: each in a copy of the project, in processes of its own; what fails then, with it and without."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from processes.spread import forked, spread

from mutation.nearest import Nearness
from mutation.operators import changed
from mutation.probe import probed
from mutation.pytest_runs import Limits, Seen, last_line, run, seen
from mutation.values import Mutant, MutantResult, Outcome
from mutation.workspace import copied


ROUNDS = 4  # as often may a test fail that by itself does not, or without the mutant as well: it is then left out
_CLOCK = 4  # seconds of a clock for one of a processor, in each of a mutant's runs
_VERDICT = "verdict.json"


@dataclass(frozen=True)
class Trial:
    """What a trial needs to know: where it may write, what is tested and how long."""

    project: Path  # what is copied once, and never written to
    scratch: Path  # an empty folder, in no repository
    jobs: int = 2
    files: int = 5  # of tests, for each mutant
    limits: Limits = Limits()

    @property
    def intact(self) -> Path:
        return self.scratch / "intact"


def judged(trial: Trial, mutants: Sequence[Mutant]) -> Generator[MutantResult, None, None]:
    """A verdict on each mutant, as they come in."""
    copied(trial.project, trial.intact)
    nearness = Nearness(trial.intact)

    def work(name: str) -> None:
        mutant, folder = mutants[int(name)], trial.scratch / name
        folder.mkdir()
        began = time.monotonic()
        outcome, test, passed = _judge(trial, mutant, nearness.tests_of(mutant.file)[: trial.files], folder)
        said = {"outcome": outcome.value, "test": test, "tests": passed, "seconds": time.monotonic() - began}
        (folder / _VERDICT).write_text(json.dumps(said), encoding="utf-8")

    names = [str(number) for number in range(len(mutants))]
    limit = 3 * ROUNDS * trial.files * _CLOCK * (trial.limits.run + 1)
    with closing(spread(work, names, trial.jobs, limit)) as ended:
        for done in ended:
            yield _read(trial.scratch / done.name / _VERDICT, mutants[int(done.name)])
            shutil.rmtree(trial.scratch / done.name, ignore_errors=True)


def _read(file: Path, mutant: Mutant) -> MutantResult:
    if not file.exists():
        return MutantResult(mutant, Outcome.BROKEN, 0, 0.0)
    said = json.loads(file.read_text(encoding="utf-8"))
    return MutantResult(mutant, Outcome(said.pop("outcome")), **said)


def _judge(trial: Trial, mutant: Mutant, tests: Sequence[str], folder: Path) -> tuple[Outcome, str, int]:
    """What becomes of one mutant, the test that says so, and how many pass."""
    if not tests:
        return Outcome.UNREACHED, "", 0
    project = copied(trial.intact, folder / "project")
    module = project / "utils" / mutant.file
    broken = changed(module.read_bytes(), mutant.edit).decode()
    module.write_text(probed(broken, mutant.edit.start), encoding="utf-8")
    passed, reached = 0, False
    for number, file in enumerate(tests):  # each by itself: one that is slow takes no time from the others
        outcome, test, found = _judge_by(trial, file, project, folder / f"file{number}")
        passed, reached = passed + found.passed, reached or found.reached
        if outcome is not None:
            return outcome, test, passed
    return (Outcome.SURVIVED if reached else Outcome.UNREACHED), "", passed


def _judge_by(trial: Trial, file: str, project: Path, folder: Path) -> tuple[Outcome | None, str, Seen]:
    """What one file of tests says of a mutant, None where nothing; the test that says so, and what was seen last."""
    folder.mkdir()
    without: list[str] = []
    found = Seen(began=True)
    for number in range(ROUNDS):
        found, ended_by = _apart(project, [file], folder / f"run{number}", trial.limits, without)
        if not found.began:
            return Outcome.BROKEN, last_line(folder / f"run{number}"), found
        hung = "" if ended_by == signal.SIGXCPU else found.running  # by that signal the time for all of them is over
        suspect = found.failed or found.slow or hung
        if not suspect:
            break
        again = folder / f"again{number}"
        again.mkdir()
        if _is_fine(trial, trial.intact, suspect, again / "without") and not _is_fine(
            trial, project, suspect, again / "with"
        ):
            return (Outcome.NOTICED if found.failed else Outcome.HUNG), suspect, found
        if not found.failed:  # tests that are slow anyway: the others passed
            break
        without.append(suspect)
    return None, "", found


def _is_fine(trial: Trial, project: Path, test: str, folder: Path) -> bool:
    """Whether a test by itself passes in a copy of the project, in time; of a file, whether it can be collected."""
    found, ended_by = _apart(project, [test], folder, trial.limits, (), collecting="::" not in test)
    return found.began and not (ended_by or found.running or found.failed or found.slow)


def _apart(
    project: Path, tests: Sequence[str], folder: Path, limits: Limits, without: Sequence[str], collecting: bool = False
) -> tuple[Seen, int]:
    """A run in a fork: what it saw, and the signal that ended it, 0 for none."""
    folder.mkdir()
    status = forked(lambda: run(project, tests, folder, limits, without, collecting))
    return seen(folder), max(-status, 0)
