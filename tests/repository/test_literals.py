"""The tools name no kind of gate: `naming` says which one is meant, and what everything of it is called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path


ROOT = Path(__file__).parents[2]
UTILS = ROOT / "utils"
_NAMED = re.compile(r"quality_gate|QualityGate")
# Rooms that may name it, each with the reason.
MAY = {
    "building/arguments.py": "examples in its help",
    "scaffold/cli.py": "examples in its help",
    "testgen/arguments.py": "examples in its help",
    "selection/models.py": "what registers the models, and what loads gates, are called so",
    "selection/router_data.py": "a name in the original project's files",
    "selection/steps.py": "the names of the steps in datatrove's pipelines",
    "selection/training.py": "what saves gates is called so",
    "showcase/demo.py": "the demonstration of the quality gate",
}


def said(path: Path) -> Iterator[tuple[int, str]]:
    """The strings and names of a file's code; docstrings and comments may say what they like."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    owners = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    prose = {id(node.body[0].value) for node in owners if node.body and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, name) for name in [node.module or "", *(each.name for each in node.names)])


def test_only_these_rooms_name_a_kind_of_gate() -> None:
    naming = {path.relative_to(UTILS).as_posix(): list(said(path)) for path in sorted(UTILS.rglob("*.py"))}
    found = {room for room, texts in naming.items() if any(_NAMED.search(text) for _, text in texts)}
    assert found == set(MAY)
