"""Lines of a text: which ones a statement takes up, and texts with some of them changed."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Lines of a text, both counted from 1 and both included."""

    first: int
    last: int


def statement_span(text: str, node: ast.stmt) -> Span:
    """The lines of a statement with its decorators, the comment above it, and a blank line before a definition."""
    lines = text.splitlines()
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and first > 1 and not lines[first - 2].strip():
        first -= 1
    return Span(first, node.end_lineno or node.lineno)


def drop(text: str, spans: Iterable[Span]) -> str:
    """The text without these lines."""
    for span in sorted(spans, reverse=True):
        text = substitute(text, span, "")
    return text


def substitute(text: str, span: Span, new: str) -> str:
    """The text with `new` in place of some lines."""
    lines = text.splitlines(keepends=True)
    return "".join([*lines[: span.first - 1], new, *lines[span.last :]])


def insert_above(text: str, line: int, new: str) -> str:
    """The text with a line put above another, whose number counts from 1."""
    lines = text.splitlines(keepends=True)
    return "".join([*lines[: line - 1], f"{new}\n", *lines[line - 1 :]])


def with_imports(text: str, statements: set[str]) -> str:
    """The text with more imports, above the first that is relative; ruff puts them in order."""
    if not statements:
        return text
    first = next(node.lineno for node in ast.parse(text).body if isinstance(node, ast.ImportFrom) and node.level)
    lines = text.splitlines(keepends=True)
    return "".join([*lines[: first - 1], *sorted(statements), *lines[first - 1 :]])
