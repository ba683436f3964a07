"""The rooms of the weave see only the rooms below them (docs/weaving.md)."""

from __future__ import annotations

import ast
import re
from itertools import chain
from pathlib import Path


ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "utils" / "weave"
# What may be imported inside a function: short deltas alone need it, and most runs convert none.
LATE = {"converter.convert", "building.style", "weave.declaration", "weave.woven"}


def layers() -> list[set[str]]:
    """The rooms of each layer, lowest first, as the table of the page has them."""
    text = (ROOT / "docs" / "weaving.md").read_text(encoding="utf-8")
    return [set(re.findall(r"`(\w+)`", row)) for row in re.findall(r"^\| *\d+ *\|([^|]*)\|", text, re.MULTILINE)]


def imports(tree: ast.AST) -> set[str]:
    return {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def seen(room: str) -> set[str]:
    names = imports(ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8")))
    return {name.partition(".")[2] for name in names if name.startswith("weave.")}


def rooms() -> list[str]:
    return sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def test_every_room_has_one_layer() -> None:
    assert sorted(chain.from_iterable(layers())) == rooms()


def test_rooms_import_only_lower_layers() -> None:
    table = layers()
    for height, names in enumerate(table):
        allowed = set(chain.from_iterable(table[:height]))
        for room in sorted(names):
            assert seen(room) <= allowed, f"{room} looks up or sideways at {sorted(seen(room) - allowed)}"


def test_weaving_imports_no_model_code_and_opens_no_file() -> None:
    for room in rooms():
        tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
        assert not {name.split(".")[0] for name in imports(tree)} & {"transformers", "torch", "generated", "gates"}, (
            room
        )
        reading = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {
            "read_text",
            "read_bytes",
        }
        assert not reading or room == "stage", room


def test_only_the_stage_imports_late() -> None:
    for room in rooms():
        tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
        late = set().union(*(imports(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)))
        assert late == (LATE if room == "stage" else set()), room


def test_every_public_function_says_what_it_does() -> None:
    for room in rooms():
        tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), room
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{room}.{node.name}"
