"""The expansion knows neither models nor a disk nor other processes (docs/architecture.md)."""

from __future__ import annotations

import ast
from itertools import chain

from layers import UTILS, imports, imports_of, roots


FILES = sorted((UTILS / "converter").rglob("*.py"))


def test_converting_imports_no_model_code() -> None:
    for path in FILES:
        assert not roots(imports_of(path)) & {"transformers", "torch", "generated", "modular"}, path


def test_the_expansion_is_pure() -> None:
    """It imports nothing late, prints nothing, and opens no file."""
    assert len(FILES) > 10
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        assert not set(chain.from_iterable(imports(function) for function in functions)), path
        assert not roots(imports(tree)) & {"os", "pathlib", "shutil", "subprocess", "tempfile"}, path
        names = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not names & {"print", "open"}, path
