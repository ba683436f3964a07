"""The rooms of utils/selection: who may import whom, and what is imported where (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
from itertools import chain
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "utils" / "selection"
PURE = {"batching", "writing_systems", "quality", "ranking", "budgets", "chat", "records", "audit", "values", "page"}
WITH_TORCH = {"forward", "models", "router_data", "training", "scoring", "score_cli"}


def layers() -> list[list[str]]:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return [line.split() for line in re.search(r"```rooms\n(.*?)```", text, re.DOTALL)[1].splitlines()]


def imported(room: str) -> set[str]:
    tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
    found = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return found | {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}


ROOMS = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def test_every_room_is_in_a_layer() -> None:
    assert sorted(chain.from_iterable(layers())) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_lower_rooms(room: str) -> None:
    height = next(number for number, row in enumerate(layers()) if room in row)
    allowed = set(chain.from_iterable(layers()[:height]))
    own = {name.removeprefix("selection.") for name in imported(room) if name.startswith("selection.")}
    assert own <= allowed


@pytest.mark.parametrize("room", ROOMS)
def test_heavy_things_are_imported_where_they_belong(room: str) -> None:
    roots = {name.split(".")[0] for name in imported(room)}
    assert bool(roots & {"torch", "transformers", "peft"}) <= (room in WITH_TORCH)
    assert ("datatrove" in roots) == (room == "steps")
    if room in PURE:
        assert not roots & {"pathlib", "os", "pyarrow", "torch", "transformers", "datasets"}


def test_only_command_lines_print() -> None:
    for room in ROOMS:
        calls = (
            node.func
            for node in ast.walk(ast.parse((PACKAGE / f"{room}.py").read_text()))
            if isinstance(node, ast.Call)
        )
        printing = any(isinstance(func, ast.Name) and func.id == "print" for func in calls)
        assert not printing or room.endswith("_cli") or room == "errors", room
