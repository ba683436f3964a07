"""The rooms of the exporter see only the rooms below them (docs/upstream_pr.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path


ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "utils" / "pull_request"


def layers() -> list[set[str]]:
    text = (ROOT / "docs" / "upstream_pr.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \|([^|]*)\|", text, re.MULTILINE)
    return [set(re.findall(r"`(\w+)/?`", row)) for row in rows]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def seen(path: Path) -> Iterator[str]:
    """The rooms that a file imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pull_request":
            _, *inner = (node.module or "").split(".")
            yield from inner[:1] or [alias.name for alias in node.names]


def test_every_room_has_one_layer() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert sorted(chain.from_iterable(layers())) == sorted(rooms)


def test_rooms_import_only_lower_layers() -> None:
    table = layers()
    height = {room: number for number, rooms in enumerate(table) for room in rooms}
    for path in sorted(PACKAGE.rglob("*.py")):
        for other in set(seen(path)) - {room_of(path)}:
            assert height[other] < height[room_of(path)], f"{path.name} imports {other}"


def test_files_and_functions_are_short() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.returns is not None and node.end_lineno - node.lineno <= 60, f"{path.name}: {node.name}"
