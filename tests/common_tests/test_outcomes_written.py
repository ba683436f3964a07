"""What stands in for transformers' conftest.py writes down what became of each test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from common_tests.workspace import STANDINS


SUITE = """
import time, unittest, pytest

class TestIt(unittest.TestCase):
    def test_passes(self): time.sleep(0.03)
    def test_fails(self): self.assertEqual(1, 2)
    def test_is_skipped(self): self.skipTest("no reason")
    def tearDown(self): time.sleep(0.03)

@pytest.fixture
def broken():
    yield
    raise RuntimeError("after the test")

@pytest.mark.slow
def test_breaks_afterwards(broken): pass

@pytest.fixture
def never(): raise ValueError("before the test")
def test_never_begins(never): pass
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Name of the test -> what was written down of it."""
    folder = tmp_path_factory.mktemp("suite")
    shutil.copyfile(STANDINS / "conftest.py", folder / "conftest.py")
    (folder / "test_it.py").write_text(SUITE)
    (folder / "test_unread.py").write_text("import nothing_of_this_name\n")
    environment = {**os.environ, "UPSTREAM_TESTS_OUTCOMES": str(folder / "outcomes.json")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--strict-markers",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
        ".",
    ]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120)
    return {
        name.rpartition("::")[2]: said for name, said in json.loads((folder / "outcomes.json").read_text()).items()
    }


@pytest.mark.parametrize(
    ("test", "outcome", "reason"),
    [
        ("test_passes", "passed", ""),
        ("test_fails", "failed", "AssertionError: 1 != 2"),
        ("test_is_skipped", "skipped", "no reason"),
        ("test_breaks_afterwards", "failed", "RuntimeError: after the test"),
        ("test_never_begins", "failed", "ValueError: before the test"),
    ],
)
def test_the_outcome_is_that_of_the_worst_part(
    written: dict[str, dict[str, object]], test: str, outcome: str, reason: str
) -> None:
    assert (written[test]["outcome"], written[test]["reason"]) == (outcome, reason)


def test_what_cannot_be_collected_is_a_failure(written: dict[str, dict[str, object]]) -> None:
    assert written["test_unread.py"]["outcome"] == "failed"
    assert "nothing_of_this_name" in str(written["test_unread.py"]["reason"])


def test_the_time_of_a_test_is_that_of_all_its_parts(written: dict[str, dict[str, object]]) -> None:
    assert float(str(written["test_passes"]["seconds"])) >= 0.06
    assert float(str(written["test_is_skipped"]["seconds"])) >= 0.03
