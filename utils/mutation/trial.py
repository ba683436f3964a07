"""A sample of mutants against the tests: one run that shows what tests reach, then each mutant in a copy of its own."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from processes.spread import spread

from mutation.operators import changed
from mutation.pytest_runs import BEGAN, ENDED, TESTS, TOLD, run
from mutation.reach import TELLER, TELLER_TEXT, Reach, is_in_function, probed, read_reach
from mutation.values import Mutant, Outcome, Verdict
from mutation.workspace import copied


SLOWEST_FILE = 20.0  # seconds of a processor for one file of tests in the first run: what comes later is left out
EASE = 30.0  # seconds that a mutant's tests may take beyond three times what they take without it
_CLOCK = 6  # seconds of a clock for one of a processor: after them all that a run started is ended


@dataclass(frozen=True)
class Trial:
    """What a trial needs to know: where it may write, what it tests and how long."""

    project: Path  # what is copied, and never written to
    scratch: Path  # an empty folder
    jobs: int = 2
    seconds: float = 20.0  # of tests for each mutant, as long as they take without it
    tests: Sequence[str] = ()  # files of tests, below the project
    tell: Callable[[str], None] = field(default=lambda line: None)

    @property
    def intact(self) -> Path:
        return self.scratch / "intact"


def test_files(project: Path, packages: Sequence[str]) -> tuple[str, ...]:
    """The files of tests of packages, "tests/facts/test_tiny.py"."""
    folders = (project / "tests" / package for package in packages)
    return tuple(path.relative_to(project).as_posix() for each in folders for path in sorted(each.rglob("test_*.py")))


def judged(trial: Trial, mutants: Sequence[Mutant], reach: Reach) -> Iterator[Verdict]:
    """A verdict on each mutant, as they come in."""
    chosen = [reach.chosen(number, f"tests/{each.package}/", trial.seconds) for number, each in enumerate(mutants)]
    limits = [3 * reach.expected(tests) + EASE for tests in chosen]
    began = {}

    def work(name: str) -> None:
        folder = trial.scratch / f"mutant-{name}"
        folder.mkdir()
        project = copied(trial.intact, folder / "project")
        module = project / "utils" / mutants[int(name)].file
        module.write_bytes(changed(module.read_bytes(), mutants[int(name)].edit))
        run(project, chosen[int(name)], folder, limits[int(name)], stops=True)

    for number, mutant in enumerate(mutants):
        if not chosen[number]:
            yield Verdict(mutant, Outcome.UNREACHED, 0, 0.0)
    for number in sorted((number for number in range(len(mutants)) if chosen[number]), key=limits.__getitem__):
        began[str(number)] = 0.0
    longest = max((limits[int(name)] for name in began), default=0.0)
    started = time.monotonic()
    for name in spread(work, list(began), trial.jobs, _CLOCK * longest):
        folder, number = trial.scratch / f"mutant-{name}", int(name)
        outcome, test = _outcome(folder)
        yield Verdict(mutants[number], outcome, len(chosen[number]), time.monotonic() - started, test)
        shutil.rmtree(folder, ignore_errors=True)


def prepare(trial: Trial) -> None:
    """Copy the project once: what mutants are made of stays as it is now, whatever happens to the project meanwhile."""
    copied(trial.project, trial.intact)


def reached(trial: Trial, mutants: Sequence[Mutant]) -> Reach:
    """Run the tests once, without any mutant: which of them run the functions that hold mutants."""
    project = copied(trial.intact, trial.scratch / "probed")
    utils = project / "utils"
    (utils / TELLER).mkdir()
    (utils / TELLER / "__init__.py").write_text(TELLER_TEXT, encoding="utf-8")
    places: dict[str, dict[int, int]] = {}
    for number, mutant in enumerate(mutants):
        places.setdefault(mutant.file, {})[number] = mutant.edit.start
    at_import = set()
    for file, bytes_of in places.items():
        source = (utils / file).read_text(encoding="utf-8")
        (utils / file).write_text(probed(source, bytes_of), encoding="utf-8")
        at_import |= {number for number, offset in bytes_of.items() if not is_in_function(source, offset)}

    def work(name: str) -> None:
        folder = trial.scratch / f"tests-{name}"
        folder.mkdir()
        run(project, [trial.tests[int(name)]], folder, SLOWEST_FILE, stops=False)

    logs = []
    for name in spread(work, [str(number) for number in range(len(trial.tests))], trial.jobs, _CLOCK * SLOWEST_FILE):
        folder, path = trial.scratch / f"tests-{name}", trial.tests[int(name)]
        logs.append((path, _read(folder / TESTS).splitlines(), _read(folder / TOLD)))
        if not (folder / ENDED).exists():
            began = (folder / BEGAN).exists()
            trial.tell(f"{path} {'takes too long: its last tests are left out' if began else _last_line(folder)}")
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(project)
    return read_reach(logs, at_import)


def _outcome(folder: Path) -> tuple[Outcome, str]:
    """What a run left: its outcome, and the test that failed first."""
    if not (folder / BEGAN).exists():
        return Outcome.BROKEN, _last_line(folder)
    if not (folder / ENDED).exists():
        return Outcome.HUNG, ""
    ended = json.loads(_read(folder / ENDED))
    if ended["status"] == os.EX_OK:
        return Outcome.SURVIVED, ""
    return Outcome.NOTICED, ended["test"] or "the tests can no longer be collected"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _last_line(folder: Path) -> str:
    return (_read(folder / "log").strip().splitlines() or [""])[-1]
