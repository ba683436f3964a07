"""The decorators of a method that overrides its parent's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from converter.index import method_node, split_lines


_NONE = "@no_inherit_decorator"  # alone: no decorators at all
_REPEATED = "deprecate_kwarg"  # a delta that says nothing but these again keeps what else the parent has


def merge_decorators(parent: str, delta: str) -> str:
    """The delta's decorators, or the parent's where it has none; both where the delta only repeats deprecations.

    parent   @deprecate_kwarg("past"), @can_return_tuple, @auto_docstring
    delta    @deprecate_kwarg("past")
    result   @can_return_tuple, @auto_docstring, @deprecate_kwarg("past")
    """
    if not delta:
        return parent
    if delta.strip() == _NONE:
        return ""
    if _REPEATED not in delta:
        return delta
    theirs = list(_split(parent))
    inherited = {code for code, _, _ in theirs}
    mine = {code: node for code, _, node in _split(delta)}
    if not all(code in inherited and _is_deprecation(node) for code, node in mine.items()):
        return delta
    return "".join(text for code, text, _ in theirs if code not in mine) + delta


def _split(decorators: str) -> Iterator[tuple[str, str, ast.expr]]:
    """Each decorator of a method: its code, its text with the comments above it, its node."""
    if not decorators:
        return
    lines = split_lines(decorators)
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    method = method_node(f"{decorators}{indent}def _(): ...\n")
    above = 0
    for node in method.decorator_list:
        end = (node.end_lineno or node.lineno) - 1  # the wrapper's line
        yield ast.unparse(node), "".join(lines[above:end]), node
        above = end


def _is_deprecation(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name == _REPEATED
    return False
