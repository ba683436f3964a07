"""The benchmark script runs; its figures are no test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


BENCH = Path(__file__).resolve().parents[2] / "benchmarks" / "bench.py"


def test_the_quick_jobs_are_measured() -> None:
    done = subprocess.run([sys.executable, str(BENCH), "--smoke"], capture_output=True, text=True, check=True)
    rows = re.findall(r"^(\w.*?) +(\d+\.\d\d) +(\d+\.\d\d) +(\d+)$", done.stdout, re.MULTILINE)
    assert [name for name, *_ in rows] == ["one model, cold", "the four, nothing changed", "import libcst"]
    assert all(float(cpu) > 0 for _, _, cpu, _ in rows)
