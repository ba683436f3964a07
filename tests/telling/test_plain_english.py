"""Messages use the plain form of English: "is not a folder", which nobody reads twice, and not "is no folder"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest


UTILS = Path(__file__).parents[2] / "utils"
TURNED = re.compile(
    r"(?<!there )(?<!There )\b(?:is|are) no (?!longer\b)[\w`{]|which is (?:not of it|of no \w+)|says not why"
)
# What is written into generated files, which say it so.
GENERATED = {"weave/limits.py": ("positions that are no tokens",)}


def messages(tree: ast.AST) -> Iterator[str]:
    """What a module holds in strings, f-strings whole; without docstrings."""
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    told |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def turned(text: str) -> list[str]:
    return [each for each in messages(ast.parse(text)) if TURNED.search(each)]


def test_no_message_says_that_something_is_no_thing() -> None:
    for path in sorted(UTILS.rglob("*.py")):
        name = path.relative_to(UTILS).as_posix()
        allowed = GENERATED.get(name, ())
        found = [each for each in turned(path.read_text(encoding="utf-8")) if not each.startswith(allowed or "\0")]
        assert found == [], name


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('raise E(f"{path} is no folder")', 1),
        ('raise E(f"`{name}` is no {what}")', 1),
        ('"there is no folder"', 0),
        ('"it is no longer there"', 0),
        ('def f():\n    """It is no folder."""', 0),
        ('"is not a folder"', 0),
    ],
)
def test_such_messages_are_found(code: str, count: int) -> None:
    assert len(turned(code)) == count
