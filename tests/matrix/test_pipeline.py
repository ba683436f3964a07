"""Every architecture gets one row: from its tests, from what was kept of them, or from why there are none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from matrix import isolated
from matrix.pipeline import Settings, make_all
from matrix.pipeline import test_all as run_tests
from matrix.results import Results
from matrix.values import Made, Row, State, Subset, Tally


SETTINGS = Settings(Subset.FAST, processes=2, limit=60, again=False)
GATED = Made("llama", State.GATED, "", ("modeling_llama.py:310",), False, "key")
REFUSED = Made("mamba", State.REFUSED, "no-feed-forward: none")
PASSED = Tally(passed=3, subset="fast")


class Workspace(SimpleNamespace):
    """Stands in for the folder in which architectures are made."""

    def view(self, name: str) -> Path:
        return self.folder

    def facts(self, name: str) -> str:
        return name

    def tests(self, name: str) -> Path:
        return self.folder / "tests" / name


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Each architecture's tests write down that they ran."""

    def run(job: isolated.Job) -> Tally:
        (tmp_path / f"ran_{job.facts}").touch()
        if job.facts == "dies":
            os._exit(1)
        return replace(PASSED, failures=(("test_a", "no"),) if job.facts == "odd" else ())

    monkeypatch.setattr(isolated, "run", run)
    return Workspace(folder=tmp_path)


def rows_of(workspace: Workspace, made: list[Made], told: list[Row], **changed: object) -> list[Row]:
    results = Results(workspace.folder / "results")
    return run_tests(workspace, made, results, replace(SETTINGS, **changed), told.append)


def test_only_what_was_gated_is_tested(workspace: Workspace) -> None:
    told: list[Row] = []
    rows = rows_of(workspace, [REFUSED, GATED], told)
    assert [(row.name, row.state, row.reason) for row in rows] == [
        ("llama", State.GATED, ""),
        ("mamba", State.REFUSED, "no-feed-forward: none"),
    ]
    assert told == [rows[0]] and rows[0].tests == PASSED  # the other was told when it was made
    assert not (workspace.folder / "ran_mamba").exists()


def test_what_was_found_before_is_kept_until_it_changes(workspace: Workspace) -> None:
    ran = workspace.folder / "ran_llama"
    first = rows_of(workspace, [GATED], [])
    ran.unlink()
    told: list[Row] = []
    assert rows_of(workspace, [GATED], told) == first == told and not ran.exists()
    rows_of(workspace, [replace(GATED, key="another")], [])
    assert ran.exists()
    ran.unlink()
    rows_of(workspace, [replace(GATED, key="another")], [], again=True)
    assert ran.exists()


def test_a_failure_is_a_row_and_is_kept(workspace: Workspace) -> None:
    odd = replace(GATED, name="odd")
    (row,) = rows_of(workspace, [odd], [])
    assert (row.state, row.reason) == (State.FAILING, "test_a: no")
    (workspace.folder / "ran_odd").unlink()
    assert rows_of(workspace, [odd], []) == [row] and not (workspace.folder / "ran_odd").exists()


def test_a_process_that_dies_is_a_failure_that_is_not_kept(workspace: Workspace) -> None:
    dies = replace(GATED, name="dies")
    for _ in range(2):
        (row,) = rows_of(workspace, [dies], [])
        assert (row.state, row.tests.failures) == (State.FAILING, ((isolated.BROKEN, "ended without a word"),))
        (workspace.folder / "ran_dies").unlink()  # it ran again


def test_what_is_made_is_sorted_and_what_has_no_tests_is_told() -> None:
    made = {"zamba": replace(GATED, name="zamba"), "llama": GATED, "mamba": REFUSED}

    def make(name: str) -> Made:
        if name == "dies":
            os._exit(1)
        return made[name]

    told: list[Row] = []
    found = make_all(SimpleNamespace(make=make), ["zamba", "dies", "mamba", "llama"], 2, told.append)
    assert [one.name for one in found] == ["dies", "llama", "mamba", "zamba"]
    assert found[0] == Made("dies", State.STUCK, "the process that made it ended without a word")
    assert {row.name: row.state for row in told} == {"dies": State.STUCK, "mamba": State.REFUSED}
