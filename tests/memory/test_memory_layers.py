"""The rooms of utils/memory: what is imported where, and what prints (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from layers import imports_of, roots


ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "utils" / "memory"
PURE = {"values", "records", "sentences", "searching", "strategies", "questions", "settings"}
WITH_TORCH = {"originals", "usage_files", "likeness", "loading", "lookup", "updater", "prompts", "dual_path", "chat"}
WITH_TORCH |= {"tasks", "threshold", "training", "evaluation"}


ROOMS = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("room", ROOMS)
def test_heavy_things_are_imported_where_they_belong(room: str) -> None:
    heavy = roots(imports_of(PACKAGE / f"{room}.py", everywhere=False))
    assert ("torch" in heavy) <= (room in WITH_TORCH)
    assert not heavy & {"transformers", "llmlingua"}
    if room in PURE:
        assert not heavy & {"pathlib", "os", "pyarrow", "torch", "transformers", "checkpoints"}


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
