"""Notes for those who look for dead branches: what the linter of transformers' models asks of the upstream form."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

from syntax.queries import annotated


_NOTE = "# CODEPATH: {} a training option: any checkpoint may take either path"
_FIELD = re.compile(r"\bconfig\.(\w+)")


def noted(text: str, tree: ast.Module) -> str:
    """A text with a note on every branch that a field of its own configurations decides. `tree` is that of the text."""
    own, lines = _own_fields(tree), text.split("\n")
    for condition, line in sorted(_branches(tree), key=lambda each: each[1], reverse=True):
        fields = [name for name in dict.fromkeys(_FIELD.findall(condition)) if name in own]
        if fields and not _is_noted(lines, line):
            names = " and ".join(f"`{name}`" for name in fields) + (" is" if len(fields) == 1 else " are")
            indent = len(lines[line - 1]) - len(lines[line - 1].lstrip())
            lines.insert(line - 1, " " * indent + _NOTE.format(names))
    return "\n".join(lines)


def _branches(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The conditions of branches, each with the line of the statement that a note stands above."""
    for statement in (each for each in ast.walk(tree) if isinstance(each, ast.stmt)):
        if isinstance(statement, ast.If) and not _is_guard(statement):
            yield ast.unparse(statement.test), statement.lineno
        parts = [each for each in ast.iter_child_nodes(statement) if isinstance(each, ast.expr)]
        inner = [each for part in parts for each in ast.walk(part) if isinstance(each, ast.IfExp)]
        if inner:
            yield " ".join(ast.unparse(each.test) for each in inner), statement.lineno


def _is_guard(statement: ast.If) -> bool:
    """Whether a branch does nothing but raise."""
    return not statement.orelse and all(isinstance(each, ast.Raise) for each in statement.body)


def _own_fields(tree: ast.Module) -> Collection[str]:
    """The fields that the configurations of a text declare."""
    configs = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Config")]
    return {name for node in configs for name in annotated(node)}


def _is_noted(lines: list[str], line: int) -> bool:
    first = line - 1
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return any("CODEPATH:" in each for each in lines[first : line - 1])
