"""`src/transformers/models/__init__.py`: one line for each model's folder, in natural order."""

from __future__ import annotations

import ast
from typing import TypeGuard

from pull_request.edits.ordering import ListEntry, insert, natural
from pull_request.edits.reading import statements_in


def add_model(text: str, name: str) -> str:
    """The text with `from .<name> import *`; as it is where it has that already."""
    lines = text.splitlines(keepends=True)
    entries = listed(text)
    if not entries or any(entry.key == name for entry in entries):
        return text
    end = entries[-1].line + 1
    return "".join(insert(lines, entries, end, name, f"    from .{name} import *\n", natural))


def listed(text: str) -> list[ListEntry]:
    """The models of the file in its order: what it imports whole for whoever checks types."""
    guarded = (each for node in statements_in(text) if isinstance(node, ast.If) for each in node.body)
    return [ListEntry(each.module, each.lineno - 1) for each in guarded if _is_whole(each) and each.module]


def _is_whole(node: ast.stmt) -> TypeGuard[ast.ImportFrom]:
    """Whether a statement is `from .x import *`."""
    return isinstance(node, ast.ImportFrom) and node.level == 1 and [each.name for each in node.names] == ["*"]
