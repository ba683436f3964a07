"""The matrix of another kind of gate: bases that are right, and those without a place, with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from matrix.cli import main
from matrix.kinds import Row, count, page_of, render_kind, survey
from naming.kinds import GateNames


ROOT = Path(__file__).resolve().parents[2]
ATTENTION = GateNames("attention")


def test_bases_are_scaffolded_converted_and_proven(tmp_path: Path) -> None:
    rows = survey(ATTENTION, ["llama", "bert", "mamba"], ROOT, tmp_path, processes=1)
    assert [(row.name, row.verdict) for row in rows] == [
        ("bert", "no place"),
        ("llama", "right"),
        ("mamba", "no place"),
    ]
    assert rows[0].where.startswith("modeling_bert.py:") and "has no output projection of its own" in rows[0].why
    assert rows[2].where.startswith("modeling_mamba.py:") and "has attention whose output" in rows[2].why


def test_a_base_alone_is_proven_with_the_home_of_its_gate(tmp_path: Path) -> None:
    rows = survey(GateNames("select"), ["granitemoe", "llama"], ROOT, tmp_path, processes=1)
    assert [(row.name, row.verdict) for row in rows] == [("granitemoe", "right"), ("llama", "no place")]
    assert "has a mixture of experts that a gate could be put on" in rows[1].why


def test_the_page_counts_and_names() -> None:
    rows = [Row("a", "right"), Row("b", "no place", "modeling_b.py:3", "x | y"), Row("c", "differs", "C.forward", "z")]
    assert count(rows) == {"right": 1, "warns": 0, "differs": 1, "refused": 0, "no place": 1}
    text = render_kind(rows, ATTENTION)
    assert "| right | 1 |" in text and "Right: a." in text and page_of(ATTENTION) == "docs/attention_gate_bases.md"
    assert "| b | no place | modeling_b.py:3 | x \\| y |" in text and "| c | differs | C.forward | z |" in text


def test_an_unknown_kind_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gate", "atention"]) == 2
    assert "there is no kind of gate called 'atention'; did you mean attention?" in capsys.readouterr().err
