"""Small questions about the statements and expressions of a function."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from syntax.queries import is_self
from weave.anchors import blocks, path_to


Block = list[ast.stmt]
Step = tuple[Block, int]  # a block of statements, and which of them


def is_simple(statement: ast.stmt) -> bool:
    """Whether a statement holds no block."""
    return next(blocks(statement), None) is None


def simple_statements(node: ast.AST) -> Iterator[ast.stmt]:
    """The simple statements of a function or a statement, in the order of the text: itself, where it is one."""
    inside = [each for block in blocks(node) for each in block]
    if not inside and isinstance(node, ast.stmt):
        yield node
    for statement in inside:
        yield from simple_statements(statement)


def exclusive(function: ast.AST, nodes: Iterable[ast.AST]) -> bool:
    """Whether no path runs two of these: they stand in different branches of an `if`, or in one simple statement."""
    paths = [path_to(function, node) for node in nodes]
    return all(_apart(one, other) for place, one in enumerate(paths) for other in paths[:place])


def _apart(one: list[Step], other: list[Step]) -> bool:
    branches = False
    for (block, index), (block_of_other, index_of_other) in zip(one, other):
        if block is not block_of_other:
            return branches
        if index != index_of_other:
            return False
        branches = isinstance(block[index], ast.If | ast.Match)
    return len(one) == len(other)


def reads(tree: ast.AST, name: str) -> bool:
    """Whether a name occurs in a tree."""
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(tree))


def contains(outer: ast.AST, inner: ast.AST) -> bool:
    """Whether a node is another, or stands in it."""
    return any(each is inner for each in ast.walk(outer))


def sums(tree: ast.AST) -> list[ast.BinOp]:
    """The additions in a tree, outermost first."""
    return [each for each in ast.walk(tree) if isinstance(each, ast.BinOp) and isinstance(each.op, ast.Add)]


def calls_in(tree: ast.AST) -> list[ast.Call]:
    """The calls in a tree, outermost first."""
    return [each for each in ast.walk(tree) if isinstance(each, ast.Call)]


def part_calls(tree: ast.AST, names: frozenset[str]) -> list[ast.Call]:
    """The calls of some attributes of self, `self.mlp(...)` or `self.mlps[0](...)`, innermost first, then by position."""
    found = [each for each in calls_in(tree) if part_of(each) in names]
    return sorted(found, key=lambda call: (call.end_lineno, call.end_col_offset))


def first_calls(tree: ast.AST, names: frozenset[str]) -> Iterator[ast.Call]:
    """The calls of these attributes that may run first: one, or one in each branch of an `if` or of `a if b else c`."""
    if isinstance(tree, ast.stmt) and not is_simple(tree):
        for block in blocks(tree):
            opening = [each for each in block if part_calls(each, names)]
            yield from first_calls(opening[0], names) if opening else ()
        return
    choices = [each for each in ast.walk(tree) if isinstance(each, ast.IfExp) and part_calls(each, names)]
    if choices:
        yield from first_calls(choices[0].body, names)
        yield from first_calls(choices[0].orelse, names)
    else:
        yield from part_calls(tree, names)[:1]


def part_of(call: ast.Call) -> str | None:
    """The attribute of self that a call is of, or of an item of it."""
    function = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    return function.attr if is_self(function) else None


def given(call: ast.Call) -> ast.expr | None:
    """The first argument of a call."""
    arguments = [*call.args, *(each.value for each in call.keywords if each.arg)]
    return arguments[0] if arguments and not isinstance(arguments[0], ast.Starred) else None
