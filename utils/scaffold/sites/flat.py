"""Layers that make their hidden states one batch of tokens before the feed-forward part, and unmake it behind."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from syntax.queries import is_number
from weave.anchors import target_of

from scaffold.sites.syntax import simple_statements
from scaffold.sites.values import NoPlace


def flattened(before: Sequence[ast.stmt], source: str) -> str | None:
    """The name of the shape that the input of a feed-forward part had before a statement made it flat; None where none did.

    Raises NoPlace where it is flat and its shape has no name: a gate's scores are of the tokens of samples.
    """
    flat = [
        each for each in before if isinstance(each, ast.Assign) and target_of(each) == source and _is_flat(each.value)
    ]
    if not flat:
        return None
    shapes = [
        name for each in before for inner in simple_statements(each) if _is_shape(inner) and (name := target_of(inner))
    ]
    if not shapes:
        raise NoPlace(
            flat[-1].lineno, f"`{source}` is one batch of all tokens, and the shape of its samples has no name"
        )
    return shapes[-1]


def _is_flat(value: ast.expr) -> bool:
    """Whether a value is `x.reshape(-1, x.size(-1))`: of two sizes, the first of which is what remains."""
    match value:
        case ast.Call(func=ast.Attribute(attr="view" | "reshape"), args=[first, _]):
            return is_number(first, -1)
    return False


def _is_shape(statement: ast.stmt) -> bool:
    """Whether a statement is `shape = x.shape` or `shape = x.size()`."""
    value = statement.value if isinstance(statement, ast.Assign) else None
    if isinstance(value, ast.Call) and not value.args:
        return isinstance(value.func, ast.Attribute) and value.func.attr == "size"
    return isinstance(value, ast.Attribute) and value.attr == "shape"
