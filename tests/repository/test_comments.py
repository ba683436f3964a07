"""Comments stand on lines of their own where they do not fit behind code: none makes a short statement three lines long."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
WIDTH = 119
WRITTEN = ["utils", "modular", "quality_gate", "templates", "benchmarks", "examples"]
FOR_TOOLS = re.compile(r"# (?:fmt|type|noqa)\b")


def torn(text: str) -> Iterator[int]:
    """The first lines of statements that would fit on one line without their comment."""
    lines = text.split("\n")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {each.start[0] - 1: each for each in tokens if each.type == tokenize.COMMENT}
    for number in range(len(lines) - 2):
        opened = number not in comments and lines[number].endswith(("(", "[", "{"))
        said = [comments[place].string for place in (number + 1, number + 2) if place in comments]
        if not opened or not said or FOR_TOOLS.match(said[0]) or not re.match(r"\s*[)\]}]", lines[number + 2]):
            continue
        code = [
            lines[place][: comments[place].start[1]].strip() if place in comments else lines[place].strip()
            for place in (number + 1, number + 2)
        ]
        if len(lines[number]) + len(code[0].rstrip(",")) + len(code[1]) <= WIDTH:
            yield number + 1


@pytest.mark.parametrize("folder", WRITTEN)
def test_comments_tear_no_statement_apart(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    found = [f"{path.relative_to(ROOT)}:{line}" for path in paths for line in torn(path.read_text(encoding="utf-8"))]
    assert found == []


def test_a_torn_statement_is_found_and_a_long_one_is_not() -> None:
    assert list(torn("x = (\n    1  # why\n)\n")) == [1]
    assert list(torn("x = f(\n    1\n)  # why\n")) == [1]
    assert list(torn("x = (\n    1  # type: ignore\n)\n")) == []
    assert list(torn(f"x = (\n    {'1' * WIDTH}  # why\n)\n")) == []
    assert list(torn("x = 1  # why\ny = f(\n    1,\n    2,\n)\n")) == []
