"""Tests of one architecture run in a process of its own, whatever they do to it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from matrix.isolated import BROKEN, Job, run
from matrix.values import Subset, Tally


SUITE = """
import pytest
@pytest.mark.fast
def test_passes(): pass
def test_also_passes(): pass
def test_is_skipped(): pytest.skip("no reason")
@pytest.mark.parametrize("number", [1, 2])
def test_fails(number): assert number == 0, "it is not nothing"
"""


@pytest.fixture
def tested(tmp_path: Path):
    """What a run says of a test file."""

    def tested(text: str, subset: Subset = Subset.FULL, limit: float = 60) -> Tally:
        folder = tmp_path / "tests"
        folder.mkdir(exist_ok=True)
        (folder / "test_it.py").write_text(text)
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = fast\n")
        facts = SimpleNamespace(package="quality_gate_none", causal_lm=None, text_model=None)
        return run(Job(tmp_path, facts, folder, subset, tmp_path / "log.txt", limit))

    return tested


def test_every_outcome_is_counted(tested) -> None:
    found = tested(SUITE)
    assert (found.passed, found.skipped, found.layers) == (2, 1, None)
    says = "AssertionError: it is not nothing"
    assert found.failures == (("test_fails[1]", says), ("test_fails[2]", says))


def test_the_fast_subset_is_what_is_marked(tested) -> None:
    found = tested(SUITE, Subset.FAST)
    assert (found.passed, found.skipped, found.failures) == (1, 0, ())


def test_a_suite_that_cannot_be_read_fails(tested) -> None:
    found = tested("import nothing_of_this_name\n")
    assert found.passed == 0
    assert found.failures == (("collection", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),)


def test_no_tests_are_a_failure(tested) -> None:
    assert [name for name, _ in tested("VALUE = 1\n").failures] == [BROKEN]


@pytest.mark.parametrize("body", ["import os; os._exit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_process_that_dies_is_told(tested, body: str) -> None:
    assert [name for name, _ in tested(f"def test_it():\n    {body}\n").failures] == [BROKEN]


def test_a_process_that_hangs_is_ended_with_its_children(tested, tmp_path: Path) -> None:
    mark = tmp_path / "child"
    text = f"""
import subprocess, time
def test_it():
    child = subprocess.Popen(["sleep", "600"])
    open({str(mark)!r}, "w").write(str(child.pid))
    time.sleep(600)
"""
    found = tested(text, limit=3)
    assert [name for name, _ in found.failures] == [BROKEN] and "3 s" in found.failures[0][1]
    status = Path(f"/proc/{mark.read_text()}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_nothing_of_it_reaches_this_process(tested) -> None:
    before = (os.getcwd(), dict(os.environ))
    tested("import os\nos.environ['LEFT'] = '1'\ndef test_it(): os.chdir('/')\n")
    assert (os.getcwd(), dict(os.environ)) == before
