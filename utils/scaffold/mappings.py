"""For which model types and classes transformers renames the weights of checkpoints."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def mapped_names(package: Path) -> frozenset[str]:
    """The model types and class names that `transformers.conversion_mapping` has an entry for, read off its text."""
    file = package / "conversion_mapping.py"
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tables = [node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and _is_table(node)]
    keys = [key for table in tables for key in table.keys]
    keys += [target.slice for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in _items(node)]
    return frozenset(key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _is_table(node: ast.Assign) -> bool:
    name = ast.unparse(node.targets[0])
    return isinstance(node.value, ast.Dict) and name in ("mapping", "_MODEL_TO_CONVERSION_PATTERN")


def _items(node: ast.Assign) -> list[ast.Subscript]:
    return [each for each in node.targets if isinstance(each, ast.Subscript) and ast.unparse(each.value) == "mapping"]
