"""transformers' own tests on architectures of the workspace: what is run, kept and told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matrix.common_tests
import pytest
from common_tests.outcomes import FAILED, INHERITED, PASSED, SKIPPED, Outcome
from common_tests.problems import SuiteError
from common_tests.workspace import Workspace
from matrix import cli, runs, workspace
from matrix.common_tests import Checkout, run_common, tallied
from matrix.pipeline import Settings
from matrix.results import Results
from matrix.values import Common, Made, Row, State, Subset, Tally


MADE = [Made(name, State.GATED) for name in ("bart", "gemma", "hangs", "odd")] + [Made("mamba", State.REFUSED)]
SETTINGS = Settings(Subset.FULL, 1, 60, False, Path("sdists"))


def outcome(kind: str, test: str = "T::test") -> Outcome:
    return Outcome("quality_gate_x", test, kind, "why" if kind != PASSED else "", 1.0)


def test_outcomes_are_counted_and_their_absence_is_a_failure() -> None:
    found = tallied([outcome(PASSED), outcome(PASSED), outcome(SKIPPED), outcome(FAILED), outcome(INHERITED)], 60)
    assert found == Common(2, 1, (("T::test", "why"),), (("T::test", "why"),), 5.0)
    for nothing in (None, []):
        assert "60 s" in tallied(nothing, 60).failures[0][1]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Nothing is built, and what would be run is listed; "hangs" never ends, "odd" has no test file."""
    workspace = Workspace(tmp_path, (), (), {"quality_gate_odd": "names no year"})
    ran: list[list[str]] = []

    def run_many(root: Path, generated: Path, names: list[str], *_):
        ran.append(names)
        for name in names:
            yield name, None if name == "hangs" else [outcome(PASSED)]

    monkeypatch.setattr(
        matrix.common_tests, "set_up", lambda *_: Checkout(workspace, tmp_path / "generated", "shared")
    )
    monkeypatch.setattr(matrix.common_tests, "run_many", run_many)
    return ran


def test_what_has_not_changed_is_not_run_again(bench: list[list[str]], tmp_path: Path) -> None:
    workspace = SimpleNamespace(facts=lambda name: SimpleNamespace(package=f"quality_gate_{name}"))
    told: list[str] = []
    known = replace(SETTINGS, only_known=True)
    arguments = (workspace, MADE, Results(tmp_path), SETTINGS, lambda name, _: told.append(name))
    assert set(run_common(*arguments[:3], known, lambda *_: None)) == {"odd"} and not bench
    first = run_common(*arguments)
    assert first["bart"] == Common(1, 0, (), (), 1.0) and set(first) == {"bart", "gemma", "hangs", "odd"}
    assert first["odd"].failures == (("the test file", "names no year"),)
    (tmp_path / "generated" / "quality_gate_gemma").mkdir(parents=True)
    (tmp_path / "generated" / "quality_gate_gemma" / "modeling.py").write_text("A = 1")
    assert set(run_common(*arguments[:3], known, lambda *_: None)) == {"bart", "odd"}
    assert run_common(*arguments) == first
    assert run_common(*arguments[:3], replace(SETTINGS, sdists=None), pytest.fail) == {}
    assert bench == [["bart", "gemma", "hangs"], ["gemma", "hangs"]]
    assert sorted(told) == sorted([*first, *first])


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The whole command about one architecture, of which nothing is made or run: exit status and page."""
    row = Row("bart", State.GATED, "", ("modeling_bart.py:1",), Tally(passed=3, subset="full"))
    (tmp_path / "docs").mkdir()
    for name in ("OMP_NUM_THREADS", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, "1")  # to be restored
    monkeypatch.setattr(workspace.MatrixWorkspace, "open", lambda _: None)
    monkeypatch.setattr(workspace, "architectures", lambda: ["bart"])
    for name, value in (("make_all", MADE[:1]), ("test_all", [row])):
        monkeypatch.setattr(runs, name, lambda *_, value=value: value)

    def command(run: Callable[..., dict[str, Common]], *argv: str) -> tuple[int, str]:
        monkeypatch.setattr(runs, "run_common", run)
        status = cli.main(["--work", str(tmp_path / "work"), *argv], project=tmp_path)
        return status, (tmp_path / "docs" / "architectures.md").read_text(encoding="utf-8")

    return command


def _refused(*_: object) -> dict[str, Common]:
    raise SuiteError("no package index", "find one")


def test_a_page_without_common_tests_says_why(command) -> None:
    status, page = command(_refused)
    assert status == 0 and ", not run here: no package index." in page and "| full | not run |" in page
    asked = []
    for option in ("--fast", "--no-common"):
        status, page = command(lambda *found: asked.append(found[3]) or {}, option)
        assert status == 0 and ", not run here: they were left out." in page
    assert (asked[0].sdists, asked[1].only_known) == (None, True)


def test_a_common_test_that_fails_fails_the_command(command) -> None:
    status, page = command(lambda *_: {"bart": Common(5, 1, (("T::test", "why"),))})
    assert status == 1 and "| full | 5 | 1 | 1 | 0 |\n" in page and "not run here" not in page
    status, page = command(lambda *_: {"bart": Common(5, 1, (), (("T::test", "why"),))})
    assert status == 0 and "| full | 5 | 0 | 1 | 1 |\n" in page
