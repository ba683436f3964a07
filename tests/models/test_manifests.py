"""No test of a rendered suite disappears or is skipped silently: each suite's list says which tests it has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from testgen.collection import Row
from testgen.manifest import NAME, SKIPPED, manifest


HERE = Path(__file__).parent
SUITES = sorted(path for path in HERE.glob("*_gate_*/test_*.py"))
SKIPS = ("skip", "skipif", "xfail", "importorskip")
MENTION = re.compile(rf"\.(?:{'|'.join(SKIPS)})\b")
REASON = re.compile(r"""\((?:[^()"]|\([^()]*\))*reason=\s*"[^"]{11,}\"""")


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.parent.name)
def test_the_tests_are_those_of_the_list(suite: Path, collected: dict[str, list[Row]]) -> None:
    expected = (suite.parent / NAME).read_text(encoding="utf-8")
    remedy = f"if the difference is meant: python utils/test_generator.py --model {suite.parent.name} --manifest"
    assert manifest(collected[suite.parent.name]).splitlines() == expected.splitlines(), remedy


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.parent.name)
def test_every_skip_says_why(suite: Path) -> None:
    """Read as text, since trees of all suites take a minute."""
    text = suite.read_text(encoding="utf-8")
    for skip in MENTION.finditer(text):
        assert REASON.match(text, skip.end()), text[skip.start() : skip.end() + 100]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ('@pytest.mark.skip(reason="the base has none of it")', True),
        ('@pytest.mark.skipif(not CUDA, reason="needs two graphics cards")', True),
        ('pytest.param(1, marks=pytest.mark.xfail(\n    reason="not yet in this release"\n))', True),
        ("@pytest.mark.skip", False),
        ('@pytest.mark.skip(reason="")', False),
        ('@pytest.mark.skip("the base has none of it")', False),
        ('pytest.importorskip("numpy")', False),
    ],
)
def test_reasons_are_read(code: str, says: bool) -> None:
    [skip] = MENTION.finditer(code)
    assert bool(REASON.match(code, skip.end())) == says


def test_what_is_shared_skips_nothing() -> None:
    names = {
        node.attr for node in ast.walk(ast.parse((HERE / "support.py").read_text())) if isinstance(node, ast.Attribute)
    }
    assert not names & set(SKIPS)


def test_every_list_belongs_to_a_suite() -> None:
    assert sorted(path.parent for path in HERE.glob(f"*/{NAME}")) == [suite.parent for suite in SUITES]
    skipped = [
        line for path in HERE.glob(f"*/{NAME}") for line in path.read_text().splitlines() if "skip" in line.lower()
    ]
    assert all(SKIPPED in line or line.startswith("#") for line in skipped)
