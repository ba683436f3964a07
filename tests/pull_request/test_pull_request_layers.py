"""The rooms of the exporter are small."""

from __future__ import annotations

import ast
from pathlib import Path


ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "utils" / "pull_request"


def test_files_and_functions_are_short() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.returns is not None and node.end_lineno - node.lineno <= 60, f"{path.name}: {node.name}"
