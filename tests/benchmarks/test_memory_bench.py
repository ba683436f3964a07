"""The benchmark of memories runs for both designs, by all keys and by cells; its figures are no test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "memory_gate.py"


def test_every_design_is_measured_by_the_number_of_rows(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    words = ["--tiny", "--rows", "1024", "4900", "--tokens", "16", "--json", str(file)]
    subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=True)
    found = json.loads(file.read_text())
    designs = ("content", "content, reads", "original, low rank")
    assert [(each["rows"], each["design"]) for each in found] == [
        (n, design) for n in (1024, 4900) for design in designs
    ]
    assert all(each["forward"] > 0 and each["decoding"] > 0 for each in found)
    assert all((each["search_s"] > 0) == each["design"].startswith("content") for each in found)
