"""No test of a rendered suite disappears or is skipped silently: each suite's list says which tests it has."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from testgen.manifest import NAME, SKIPPED, manifest
from testgen.stock import Row


HERE = Path(__file__).parent
SUITES = sorted(path for path in HERE.glob("*_gate_*/test_*.py"))
SKIPS = ("skip", "skipif", "xfail", "importorskip")


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.parent.name)
def test_the_tests_are_those_of_the_list(suite: Path, collected: dict[str, list[Row]]) -> None:
    expected = (suite.parent / NAME).read_text(encoding="utf-8")
    remedy = f"if the difference is meant: python utils/test_generator.py --model {suite.parent.name} --manifest"
    assert manifest(collected[suite.parent.name]).splitlines() == expected.splitlines(), remedy


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.parent.name)
def test_every_skip_says_why(suite: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(suite.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    skips = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in SKIPS]
    for skip in skips:
        reason = next((word.value for word in skip.keywords if word.arg == "reason"), None)
        assert isinstance(reason, ast.Constant) and len(reason.value) > 10, ast.unparse(skip)
    bare = [node for node in ast.walk(ast.parse(suite.read_text())) if isinstance(node, ast.Attribute)]
    assert sum(node.attr in SKIPS for node in bare) == len(skips), "a skip without parentheses has no reason"


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
