"""The project's deltas: short, and woven in the oldest release and the one before as in the installed one."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import pytest
from building.casing import read_casing
from building.library import Library
from building.releases import find_release
from syntax.source import Source
from weave.stage import gates_of
from weave.woven import weave


ROOT = Path(__file__).resolve().parents[2]
DELTAS = sorted((ROOT / "modular").glob("modular_*.py"))


def test_deltas_state_only_their_difference() -> None:
    lines = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in DELTAS}
    assert sum(lines.values()) <= 4000
    assert statistics.median(lines.values()) <= 20
    assert lines["modular_quality_gate_gemma3"] <= 150


@pytest.mark.parametrize(("release", "first"), [("5.21.0", 0), ("5.23.0", 2)])
def test_deltas_whose_base_a_release_has_are_woven_there(release: str, first: int) -> None:
    """A quarter of them in each, other ones; with QUALITY_GATE_TESTS=all every one in both."""
    package = find_release(release)
    casing, library = read_casing(package), Library({"transformers": package, "gates": gates_of(ROOT)})
    there = [path for path in DELTAS if (package / "models" / path.stem.partition("_gate_")[2]).is_dir()]
    assert len(there) >= 155
    for path in there if os.environ.get("QUALITY_GATE_TESTS") == "all" else there[first::4]:
        model = path.stem.removeprefix("modular_")
        woven = weave(Source(path.name, model, path.read_text(encoding="utf-8")), model, library.load, casing)
        compile(woven.source.text, path.name, "exec")
