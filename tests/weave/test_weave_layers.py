"""The weave is pure but for its stage, and says what it does."""

from __future__ import annotations

import ast

from layers import UTILS, imports, roots, written_here


PACKAGE = UTILS / "weave"
# What may be imported inside a function: short deltas alone need it, and most runs convert none.
LATE = {"converter.convert", "building.style", "weave.declaration", "weave.woven"}


def rooms() -> list[str]:
    return sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def test_weaving_imports_no_model_code_and_opens_no_file() -> None:
    for room in rooms():
        tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
        assert not roots(imports(tree)) & {"transformers", "torch", "generated", "gates"}, room
        reading = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {
            "read_text",
            "read_bytes",
        }
        assert not reading or room == "stage", room


def test_only_the_stage_imports_late() -> None:
    for room in rooms():
        tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
        late = set().union(
            *(written_here(imports(node)) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        )
        assert late == (LATE if room == "stage" else set()), room


def test_every_public_function_says_what_it_does() -> None:
    for room in rooms():
        tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), room
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{room}.{node.name}"
