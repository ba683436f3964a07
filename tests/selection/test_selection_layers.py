"""The rooms of utils/selection: what is imported where, and what prints (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from layers import imports_of, roots


ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "utils" / "selection"
PURE = {"batching", "writing_systems", "quality", "ranking", "budgets", "chat", "records", "audit", "values", "page"}
WITH_TORCH = {"forward", "metrics", "models", "router_data", "training", "scoring", "score_cli"}


ROOMS = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("room", ROOMS)
def test_heavy_things_are_imported_where_they_belong(room: str) -> None:
    heavy = roots(imports_of(PACKAGE / f"{room}.py"))
    assert bool(heavy & {"torch", "transformers", "peft"}) <= (room in WITH_TORCH)
    assert ("datatrove" in heavy) == (room == "steps")
    if room in PURE:
        assert not heavy & {"pathlib", "os", "pyarrow", "torch", "transformers", "datasets"}


def test_only_command_lines_print() -> None:
    for room in ROOMS:
        calls = (
            node.func
            for node in ast.walk(ast.parse((PACKAGE / f"{room}.py").read_text()))
            if isinstance(node, ast.Call)
        )
        printing = any(isinstance(func, ast.Name) and func.id == "print" for func in calls)
        assert not printing or room.endswith("_cli") or room == "errors", room
