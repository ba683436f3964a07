"""Edits of a text, collected and applied once; statements with the comments above them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from syntax.trees import tree_of


_KEPT_BY_VIEWS = ("dtype", "device")  # attributes that a reshaped tensor has from the one it was made of


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines to put in place of others: `first` to `last`, from 0, the last not included."""

    first: int
    last: int
    lines: tuple[str, ...]


def apply(lines: Sequence[str], edits: Iterable[Edit]) -> list[str]:
    """The lines with all edits made. They may not overlap.

    Of several at one place the earlier go first, and what is put above a line before what is put in its place.
    """
    done = list(lines)
    ordered = sorted(enumerate(edits), key=lambda pair: (pair[1].first, pair[1].last, pair[0]))
    for _, edit in reversed(ordered):
        done[edit.first : edit.last] = edit.lines
    return done


def lead(lines: Sequence[str], statement: ast.stmt) -> int:
    """The first of the blank lines and comments directly above a statement, from 0; the statement itself without any."""
    place = statement.lineno - 1
    while place and (not lines[place - 1].strip() or lines[place - 1].lstrip().startswith("#")):
        place -= 1
    return place


def indented(text: str, by: int) -> tuple[str, ...]:
    """The lines of a text, further in."""
    return tuple(" " * by + line if line else "" for line in text.rstrip("\n").split("\n"))


def source_of(text: str, node: ast.expr, changes: Mapping[ast.expr, str] | None = None) -> str:
    """The source of an expression, with other texts in place of some of those in it."""
    return changed(text, _span(text, node), changes or {})


def lines_of(text: str, statement: ast.stmt, changes: Mapping[ast.expr, str] | None = None) -> list[str]:
    """The lines of a statement, with other texts in place of some of its expressions."""
    starts = _line_starts(text)
    span = starts[statement.lineno - 1], starts[statement.end_lineno or statement.lineno] - 1
    return changed(text, span, changes or {}).split("\n")


def spelled_out(body: str, meanings: Mapping[str, str], roots: Mapping[str, str]) -> str:
    """The body of a splice with what its parameters mean at a site.

    Where a parameter is assigned, or asked for what views keep, it is the name in `roots`: of `x.view(shape)` it is `x`.
    """
    tree = tree_of(body)
    names = {**meanings, **roots}
    changes: dict[ast.expr, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _KEPT_BY_VIEWS:
            changes[node.value] = names.get(node.value.id, node.value.id)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node not in changes and node.id in names:
            changes[node] = names[node.id] if isinstance(node.ctx, ast.Store) else meanings[node.id]
    return changed(body, (0, len(body.encode())), changes)


def changed(text: str, span: tuple[int, int], changes: Mapping[ast.expr, str]) -> str:
    """The part of a text between two of its bytes, with other texts in place of some expressions in it."""
    content, (start, end) = text.encode(), span
    pieces: list[bytes] = []
    for (first, last), new in sorted((_span(text, node), new) for node, new in changes.items()):
        if start <= first and last <= end:
            pieces += [content[start:first], new.encode()]
            start = last
    return b"".join([*pieces, content[start:end]]).decode()


def _span(text: str, node: ast.expr) -> tuple[int, int]:
    """The bytes of an expression."""
    starts = _line_starts(text)
    assert node.end_lineno is not None and node.end_col_offset is not None
    return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset


@lru_cache(maxsize=64)
def _line_starts(text: str) -> tuple[int, ...]:
    return (0, *accumulate(len(line.encode()) + 1 for line in text.split("\n")))
