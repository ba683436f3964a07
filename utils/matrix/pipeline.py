"""Architectures through the two stages, each as many at a time as there are processes: make, then test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from building.workers import Workers

from matrix.results import Results
from matrix.values import Made, Row, State, Subset, Tally
from matrix.workspace import MatrixWorkspace


Tell = Callable[[Row], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is the same for all architectures of a run."""

    subset: Subset
    processes: int
    limit: float  # seconds for the tests of one architecture
    again: bool  # also where nothing has changed
    sdists: Path | None = None  # where transformers' source distribution is kept; without one its tests are left out
    only_known: bool = False  # of those tests, show what earlier runs found, and run none


def make_all(workspace: MatrixWorkspace, names: Sequence[str], processes: int, tell: Tell) -> list[Made]:
    """Scaffold, convert and render every architecture; those without tests to run are told.

    Args:
        workspace: the folder to make them in.
        names: of the architectures, "llama".
        processes: how many are made at a time.
        tell: called with the row of each that has no tests.
    """
    found = []
    for name, made in _spread(workspace.make, names, processes):
        made = made or Made(name, State.STUCK, "the process that made it ended without a word")
        found.append(made)
        if made.state is not State.GATED:
            tell(untested(made))
    return sorted(found, key=lambda one: one.name)


def test_all(
    workspace: MatrixWorkspace, made: Sequence[Made], results: Results, settings: Settings, tell: Tell
) -> list[Row]:
    """A row for each architecture, from kept results where nothing has changed.

    Args:
        workspace: the folder that they were made in.
        made: the architectures; those without gates get a row without a test.
        results: those of earlier runs; new ones are kept there.
        settings: of the run; its limit is in seconds.
        tell: called with each row of tests, as soon as there is one.
    """
    rows = {one.name: untested(one) for one in made if one.state is not State.GATED}
    waiting = {}
    for one in (one for one in made if one.state is State.GATED):
        kept = None if settings.again else results.get(one.name, settings.subset, one.key)
        if kept is None:
            waiting[one.name] = one
        else:
            rows[one.name] = kept
            tell(kept)
    for row in _tested(workspace, waiting, results, settings) if waiting else ():
        rows[row.name] = row
        tell(row)
    return [rows[name] for name in sorted(rows)]


def untested(made: Made) -> Row:
    """The row of an architecture that no test was run of."""
    return Row(made.name, made.state, made.reason, made.places, Tally())


def judged(made: Made, tests: Tally) -> Row:
    """The row of an architecture after its tests."""
    if not tests.failures:
        return Row(made.name, State.GATED, "", made.places, tests)
    name, said = tests.failures[0]
    return Row(made.name, State.FAILING, f"{name}: {said}", made.places, tests)


def _tested(
    workspace: MatrixWorkspace, waiting: dict[str, Made], results: Results, settings: Settings
) -> Iterator[Row]:
    # Imported when there is something to test: torch and transformers take seconds.
    from matrix import isolated

    def work(name: str) -> Tally:
        log = workspace.folder / "logs" / settings.subset.value / f"{name}.txt"
        job = (
            workspace.view(name),
            workspace.facts(name),
            workspace.tests(name),
            settings.subset,
            log,
            settings.limit,
        )
        return isolated.run(isolated.Job(*job))

    for name, tests in _spread(work, list(waiting), settings.processes):
        made = waiting[name]
        row = judged(made, tests or Tally(failures=((isolated.BROKEN, "ended without a word"),)))
        if not any(name == isolated.BROKEN for name, _ in row.tests.failures):
            results.put(row, settings.subset, made.key)
        yield row


def _spread(work: Callable[[str], Any], names: Sequence[str], processes: int) -> Iterator[tuple[str, Any]]:
    """Each name with what `work` makes of it, None where the process died; in the order in which they are done."""
    waiting = sorted(names, reverse=True)
    with Workers(work, min(processes, len(waiting))) as pool:
        while waiting or pool.busy:
            while waiting and pool.idle:
                pool.submit(waiting.pop())
            yield from pool.collect()
