"""docs/architectures.md speaks of every architecture, and what is committed is what it calls gated."""

from __future__ import annotations

import re
from pathlib import Path

from matrix.workspace import architectures


ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
COMMON = r"(?: (\d+|not run) \| (\d*) \| \d* \| \d* \|)?"  # of transformers' own tests
TESTED = re.findall(
    rf"^\| (\w+) \| [\d,?]+ \| [\d,?]+ \| [^|]+ \| (\d+) \| (\d+) \| \d+ \| \w+ \|{COMMON}$", PAGE, re.MULTILINE
)
MISSING = re.findall(r"^\| (\w+) \| ([a-z-]+): .+ \|$", PAGE[PAGE.find("## Not gated") :], re.MULTILINE)


def test_every_architecture_has_its_row() -> None:
    assert sorted([name for name, *_ in TESTED] + [name for name, _ in MISSING]) == architectures()
    assert f"has {len(architectures())} model files" in PAGE


def test_what_is_committed_passes_its_tests() -> None:
    gated = {name for name, passed, failed, *_ in TESTED if int(passed) and failed == "0"}
    deltas = (ROOT / "modular").glob("modular_quality_gate_*.py")
    assert gated == {path.stem.removeprefix("modular_quality_gate_") for path in deltas}
    assert re.search(rf"\| gated, every test (of the rendered suite )?that was run passes \| {len(gated)} \|", PAGE)
    assert not [name for name, *_, failed in TESTED if failed not in ("", "0")], "common tests that the base passes"
    assert all((ROOT / f"tests/models/quality_gate_{name}").is_dir() for name in gated)
