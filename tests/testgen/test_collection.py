"""Lists and tables of tests: what is collected, what ran, what was skipped and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from facts.project import GENERATED
from testgen import cli
from testgen.collection import Row, collect, run
from testgen.manifest import NAME, SKIPPED, manifests, stale, write
from testgen.matrix import matrix


SUITES = GENERATED.parent / "tests" / "models"
SUITE = """
import pytest

class TestGate:
    @pytest.mark.parametrize("number", [1, 2])
    def test_numbers(self, number):
        assert number == {number}

    @pytest.mark.skip(reason="no gates on Sundays")
    def test_sundays(self):
        pass

class TestSaveLoad:
    def test_disk(self):
        pytest.skip("the disk is full")
"""


def make_suite(folder: Path, name: str, number: str = "number") -> Path:
    suite = folder / name
    suite.mkdir(parents=True)
    (suite / f"test_modeling_{name}.py").write_text(SUITE.replace("{number}", number))
    return suite


def test_what_is_collected_is_listed_with_reasons(tmp_path: Path) -> None:
    suites = [make_suite(tmp_path, "quality_gate_a"), make_suite(tmp_path, "quality_gate_b")]
    listed = manifests(collect(suites))
    assert list(listed) == ["quality_gate_a", "quality_gate_b"]
    assert listed["quality_gate_a"].splitlines()[1:] == [
        "TestGate::test_numbers[1]",
        "TestGate::test_numbers[2]",
        "TestGate::test_sundays  # skipped: no gates on Sundays",
        "TestSaveLoad::test_disk",
    ]
    assert stale(listed, tmp_path) == write(listed, tmp_path) == ["quality_gate_a", "quality_gate_b"]
    assert stale(listed, tmp_path) == []
    (suites[0] / NAME).write_text(listed["quality_gate_a"].replace("[1]", "[3]"))
    assert stale(listed, tmp_path) == ["quality_gate_a"]


def test_a_run_tells_outcomes_and_reasons(tmp_path: Path) -> None:
    rows = run([make_suite(tmp_path, "quality_gate_a", number="1")], processes=2)
    assert {row.test: (row.outcome, row.reason) for row in rows} == {
        "TestGate::test_numbers[1]": ("passed", ""),
        "TestGate::test_numbers[2]": ("failed", "while call"),
        "TestGate::test_sundays": ("skipped", "no gates on Sundays"),
        "TestSaveLoad::test_disk": ("skipped", "the disk is full"),
    }
    assert all(row.seconds >= 0 for row in rows)


def test_the_matrix_counts_and_gives_reasons() -> None:
    rows = [
        Row("quality_gate_b", "TestSaveLoad::test_disk", "skipped", "the disk is full"),
        Row("quality_gate_b", "TestGate::test_it", "passed"),
        Row("quality_gate_a", "TestGate::test_it", "passed"),
        Row("quality_gate_a", "TestGate::test_that", "failed", "while call"),
        Row("quality_gate_a", "TestImages::test_it", "passed"),
    ]
    page = matrix(rows)
    assert page.splitlines()[5:9] == [
        "| architecture | gate | save load | images | all |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| `a` | 1, 1 failed | – | 1 | 2, 1 failed |",
        "| `b` | 1 | 0, 1 skipped | – | 1, 1 skipped |",
    ]
    assert "| `b` | `TestSaveLoad::test_disk` | skipped | the disk is full |" in page
    assert "Nothing was skipped." in matrix([Row("quality_gate_a", "TestGate::test_it", "passed")])


@pytest.mark.parametrize(("outcome", "reason", "status"), [("passed", "", 0), ("failed", "", 1), ("skipped", "", 1)])
def test_a_failure_and_a_skip_without_reason_end_in_one(
    outcome: str, reason: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row("quality_gate_llama", "TestGate::test_it", outcome, reason)]
    monkeypatch.setattr(cli, "run", lambda folders, jobs: rows)
    page = tmp_path / "matrix.md"
    assert cli.main(["--all", "--matrix"], page) == status
    assert page.read_text() == matrix(rows)


def test_suites_that_do_not_start_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = make_suite(tmp_path, "quality_gate_llama")
    next(suite.glob("test_*.py")).write_text("import nothing_of_that_name\n")
    with pytest.raises(Exception, match="cannot-collect: pytest failed: .*nothing_of_that_name"):
        collect([suite])


def test_the_page_of_this_project_says_what_the_lists_say() -> None:
    rows = [line.strip("| ").split(" | ") for line in cli.PAGE.read_text().splitlines() if line.startswith("| `")]
    totals = {cells[0].strip("`"): cells[-1] for cells in rows if len(cells) > 4}
    assert {"llama", "qwen3", "gemma3", "gpt_oss"} <= set(totals)
    for name, total in totals.items():
        listed = (SUITES / f"quality_gate_{name}" / NAME).read_text().splitlines()[1:]
        skipped = sum(SKIPPED in line for line in listed)
        assert total == f"{len(listed) - skipped}" + (f", {skipped} skipped" if skipped else ""), name
