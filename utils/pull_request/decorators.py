"""Decorators by name."""

from __future__ import annotations

import ast


DOCUMENTED = "auto_docstring"


def name_of(node: ast.expr) -> str:
    """`@auto_docstring(...)`, `nn.Module` -> "auto_docstring", "Module"."""
    called = node.func if isinstance(node, ast.Call) else node
    return ast.unparse(called).rpartition(".")[2]
