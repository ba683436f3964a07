"""The benchmark of memories runs for both designs, by all keys and by cells; its figures are no test."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest


HOME = Path(__file__).resolve().parents[2]
SCRIPT, PLOT = HOME / "benchmarks" / "memory_gate.py", HOME / "benchmarks" / "memory_plot.py"
MEASURED, PICTURE = (
    HOME / "benchmarks" / "results" / "memory_gate_h100.json",
    HOME / "docs" / "images" / "memory_speed.svg",
)


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


def test_the_picture_in_the_documents_is_of_the_numbers_in_them(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = [tmp_path / "one.svg", tmp_path / "folder" / "two.svg"]
    for file in drawn:
        subprocess.run([sys.executable, str(PLOT), str(MEASURED), str(file)], capture_output=True, check=True)
    assert drawn[0].read_bytes() == drawn[1].read_bytes(), "no time, no drawn names"
    assert texts_of(drawn[0]) == texts_of(PICTURE)
    found = {each["rows"]: each for each in json.loads(MEASURED.read_text()) if each["design"] == "content"}
    page = (HOME / "docs" / "memory.md").read_text(encoding="utf-8")
    rows = [f"2^{number.bit_length() - 1}" for number in found]
    assert f"| rows | {' | '.join(rows)} |" in page and "(images/memory_speed.svg)" in page
    for name, word, factor in (
        ("decoding step", "decoding", 1),
        ("forward", "forward", 1),
        ("a search, ms", "search_s", 1000),
    ):
        assert f"| {name} | {' | '.join(f'{factor * each[word]:.2f}' for each in found.values())} |" in page


def texts_of(file: Path) -> list[str]:
    """What a picture says; where its lines go differs by the release of matplotlib."""
    return re.findall(r"<text[^>]*>([^<]+)</text>", file.read_text(encoding="utf-8"))
