"""The rooms of utils/memory: who may import whom, and what is imported where (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "utils" / "memory"
PURE = {"values", "records", "sentences", "searching", "strategies", "questions", "settings"}
WITH_TORCH = {"originals", "usage_files", "likeness", "loading", "lookup", "updater", "prompts", "dual_path", "chat"}
WITH_TORCH |= {"tasks", "threshold", "training", "evaluation"}
WITH_TRANSFORMERS = {"metrics"}  # whose base class is there


def layers() -> list[list[str]]:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return [line.split() for line in re.search(r"```memory-rooms\n(.*?)```", text, re.DOTALL)[1].splitlines()]


def imported(room: str, everywhere: bool = True) -> set[str]:
    """What a room imports, in functions as well; without `everywhere`, what it imports to be imported."""
    tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree)) if everywhere else tree.body
    found = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return found | {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}


ROOMS = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def test_every_room_is_in_a_layer() -> None:
    assert sorted(chain.from_iterable(layers())) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_lower_rooms(room: str) -> None:
    height = next(number for number, row in enumerate(layers()) if room in row)
    allowed = set(chain.from_iterable(layers()[:height]))
    own = {name.removeprefix("memory.") for name in imported(room) if name.startswith("memory.")}
    assert own <= allowed


@pytest.mark.parametrize("room", ROOMS)
def test_heavy_things_are_imported_where_they_belong(room: str) -> None:
    roots = {name.split(".")[0] for name in imported(room, everywhere=False)}
    assert ("torch" in roots) <= (room in WITH_TORCH)
    assert ("transformers" in roots) <= (room in WITH_TRANSFORMERS) and "llmlingua" not in roots
    if room in PURE:
        assert not roots & {"pathlib", "os", "pyarrow", "torch", "transformers", "checkpoints"}


def test_only_command_lines_print() -> None:
    for room in ROOMS:
        nodes = ast.walk(ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8")))
        calls = (node.func for node in nodes if isinstance(node, ast.Call))
        printing = any(isinstance(func, ast.Name) and func.id == "print" for func in calls)
        assert not printing or room.endswith("cli"), room


def test_the_package_is_imported_without_torch_and_knows_its_names() -> None:
    code = "import sys, memory; assert 'torch' not in sys.modules; print(*[getattr(memory, name) for name in memory.__all__])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "utils", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
