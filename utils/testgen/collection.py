"""What pytest finds in rendered suites, and what became of it: runs of pytest, as rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from places import PROJECT, UTILS

from testgen.recorder import VARIABLE


@dataclass(frozen=True, slots=True)
class Row:
    """One test."""

    suite: str  # "quality_gate_llama"
    test: str  # "TestGate::test_a_gate_is_one_row_of_weights"
    outcome: str  # "collected", "passed", "skipped", "failed"
    reason: str = ""  # of a skip; of a failure, when it happened
    seconds: float = 0.0

    @property
    def group(self) -> str:
        """The class that a test belongs to: "TestGate"."""
        return self.test.partition("::")[0]


def collect(suites: Iterable[Path]) -> list[Row]:
    """The tests in folders of suites, in the order of the files. Raises ConversionError (`cannot-collect`)."""
    return _pytest(suites, ["--collect-only"], {0})


def run(suites: Iterable[Path], processes: int) -> list[Row]:
    """Run all tests in folders of suites. Raises ConversionError (`cannot-collect`) where they cannot even start."""
    return _pytest(suites, ["--numprocesses", str(processes)], {0, 1})


def _pytest(suites: Iterable[Path], options: Sequence[str], accepted: set[int]) -> list[Row]:
    with TemporaryDirectory(prefix="suites-") as scratch:
        record = Path(scratch) / "rows.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "testgen.recorder", *options]
        done = subprocess.run(
            [*command, *map(str, suites)],
            cwd=PROJECT,
            env=os.environ | {VARIABLE: str(record), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(UTILS)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in accepted or not record.exists():
            said = " ".join((done.stdout + done.stderr).split())[-500:]
            fix = "run pytest on the suite itself, and correct what it says"
            raise ConversionError(Diagnostic("cannot-collect", "tests/models", 1, 1, f"pytest failed: {said}", fix))
        return [Row(**json.loads(line)) for line in record.read_text(encoding="utf-8").splitlines()]
