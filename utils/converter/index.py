"""Module text -> its top-level statements, the definitions among them, and the members of its classes.

`ast` says on which lines a statement lies; what it says stays text, comments included. A comment or blank line belongs
to the statement below it, except where it is indented deeper: then it ends the block above.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property, lru_cache

from syntax.compiling import parse
from syntax.scan import closing_colon, mentions
from syntax.source import Source
from syntax.tidy import tidy
from syntax.trees import statements_of


Import = ast.Import | ast.ImportFrom
Function = ast.FunctionDef | ast.AsyncFunctionDef


class StatementKind(Enum):
    """What a statement is to the converter."""

    IMPORT = "import"
    GUARD = "guard"  # an `if`, around imports mostly
    CLASS = "class"
    FUNCTION = "function"
    ASSIGNMENT = "assignment"
    UPDATE = "update"  # of a variable: `TABLE["key"] = value`
    DOCSTRING = "docstring"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a module, of a class or of a function's body, with the lines above it that belong to it."""

    kind: StatementKind
    names: tuple[str, ...]  # the names it binds or updates
    order: int  # position among its neighbours
    line: int  # of its first decorator or itself, from 1
    lead: str  # blank lines and comments above
    text: str
    node: ast.stmt

    @property
    def whole(self) -> str:
        """The statement below its comments and blank lines."""
        return self.lead + self.text

    @property
    def imported(self) -> Import:
        """The node of one of the kind IMPORT."""
        assert isinstance(self.node, ast.Import | ast.ImportFrom)
        return self.node

    @property
    def guard(self) -> ast.If:
        """The node of one of the kind GUARD."""
        assert isinstance(self.node, ast.If)
        return self.node

    @property
    def owner(self) -> ast.ClassDef:
        """The node of one of the kind CLASS."""
        assert isinstance(self.node, ast.ClassDef)
        return self.node

    @property
    def function(self) -> Function:
        """The node of one of the kind FUNCTION."""
        assert isinstance(self.node, ast.FunctionDef | ast.AsyncFunctionDef)
        return self.node


@dataclass(frozen=True)
class ModuleIndex:
    """Everything the converter wants to know of a module."""

    source: Source
    header: str  # the comments that open the file
    statements: tuple[Statement, ...]

    @cached_property
    def definitions(self) -> Mapping[str, Statement]:
        """Classes, functions and assignments by name; the last one wins.

        A statement that changes a variable (`TABLE["key"] = value`) travels with the variable's assignment.
        """
        found: dict[str, Statement] = {}
        for each in self.statements:
            if each.kind in _DEFINING:
                found.update(dict.fromkeys(each.names, each))
            elif each.kind is StatementKind.UPDATE and each.names[0] in found:
                variable = found[each.names[0]]
                found[each.names[0]] = replace(variable, text=variable.text + each.whole)
        return found

    @cached_property
    def mentions(self) -> Mapping[str, frozenset[str]]:
        """Definition -> every word in it that can be a name."""
        return _Mentions(self.definitions)

    def of_kind(self, *kinds: StatementKind) -> Iterator[Statement]:
        """The statements of the given kinds, in order."""
        return (each for each in self.statements if each.kind in kinds)


_DEFINING = (StatementKind.CLASS, StatementKind.FUNCTION, StatementKind.ASSIGNMENT)


class _Mentions(dict[str, frozenset[str]]):
    """Computed when asked: most definitions of a base file are never needed."""

    def __init__(self, definitions: Mapping[str, Statement]) -> None:
        super().__init__()
        self._definitions = definitions

    def __missing__(self, name: str) -> frozenset[str]:
        self[name] = mentions(self._definitions[name].text)
        return self[name]


@lru_cache(maxsize=48)  # many deltas share a base; a tree of 50 KB of source takes about 2 MB
def index_module(source: Source) -> ModuleIndex:
    """Read a module. Raises ConversionError where it is not Python."""
    source, tree = tidy(source, parse(source))
    lines = split_lines(source.text)
    statements = tuple(split_statements(lines, tree.body, 0, len(lines), 0))
    if not statements:
        return ModuleIndex(source, "".join(lines), ())
    first = statements[0]
    return ModuleIndex(source, first.lead, (replace(first, lead=""), *statements[1:]))


def split_lines(text: str) -> list[str]:
    """The lines of a text as `ast` counts them, each with its line end."""
    lines = text.split("\n")
    ended = [line + "\n" for line in lines[:-1]]
    return [*ended, lines[-1] + "\n"] if lines[-1] else ended


def split_statements(
    lines: Sequence[str], body: Sequence[ast.stmt], start: int, end: int, indent: int, first_line: int = 1
) -> Iterator[Statement]:
    """The statements of one block.

    Args:
        lines: of the file, or of a part of it, with their ends.
        body: the block's nodes.
        start, end: the block lies on lines[start:end].
        indent: of the block, in columns.
        first_line: the line number that the nodes give to lines[0].
    """
    spans = list(_spans(body, first_line))
    above = start
    for order, (node, first, last) in enumerate(spans):
        following = spans[order + 1][1] if order + 1 < len(spans) else end
        last += _deeper_comments(lines[last:following], indent)
        kind, names = _kind_and_names(node)
        lead, text = "".join(lines[above:first]), "".join(lines[first:last])
        yield Statement(kind, names, order, first + first_line, lead, text, node)
        above = last


def _spans(body: Sequence[ast.stmt], first_line: int) -> Iterator[tuple[ast.stmt, int, int]]:
    """(node, first line, line after the last), from 0; statements that share a line count as one."""
    pending: tuple[ast.stmt, int, int] | None = None
    for node in body:
        first = first_line_of(node) - first_line
        last = (node.end_lineno or node.lineno) - first_line + 1
        if pending and first < pending[2]:
            pending = (pending[0], pending[1], last)
            continue
        if pending:
            yield pending
        pending = (node, first, last)
    if pending:
        yield pending


def first_line_of(node: ast.stmt) -> int:
    """The line of a statement's first decorator, or its own."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
        return min(node.lineno, node.decorator_list[0].lineno)
    return node.lineno


def _deeper_comments(lines: Sequence[str], indent: int) -> int:
    """How many of the lines between two statements still belong to the upper one's block."""
    count = 0
    for number, line in enumerate(lines, 1):
        stripped = line.lstrip()
        if not stripped:
            continue
        if not stripped.startswith("#") or len(line) - len(stripped) <= indent:
            break
        count = number
    return count


def _kind_and_names(node: ast.stmt) -> tuple[StatementKind, tuple[str, ...]]:
    match node:
        case ast.Import() | ast.ImportFrom():
            return StatementKind.IMPORT, tuple(alias.asname or alias.name for alias in node.names)
        case ast.ClassDef():
            return StatementKind.CLASS, (node.name,)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return StatementKind.FUNCTION, (node.name,)
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute() as target]) if name := _root(target):
            return StatementKind.UPDATE, (name,)
        case ast.AugAssign(target=target) if name := _root(target):
            return StatementKind.UPDATE, (name,)
        case ast.Assign(targets=targets):
            return StatementKind.ASSIGNMENT, tuple(_target_names(targets))
        case ast.AnnAssign(target=ast.Name(id=name)):
            return StatementKind.ASSIGNMENT, (name,)
        case ast.If():
            return StatementKind.GUARD, ()
        case ast.Expr(value=ast.Constant(value=str())):
            return StatementKind.DOCSTRING, ()
    return StatementKind.OTHER, ()


def _root(target: ast.expr) -> str | None:
    """The variable that `x`, `x[key].y` and the like begin with."""
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return target.id if isinstance(target, ast.Name) else None


def _target_names(targets: Sequence[ast.expr]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id
        elif isinstance(target, ast.Tuple | ast.List):
            yield from _target_names(target.elts)
        elif isinstance(target, ast.Starred):
            yield from _target_names([target.value])


def method_node(text: str) -> Function:
    """The node of a method that is indented as in its class; its lines count from 2."""
    owner = statements_of("class _:\n" + text)[0]
    assert isinstance(owner, ast.ClassDef)
    method = owner.body[0]
    assert isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
    return method


@dataclass(frozen=True, slots=True)
class ClassParts:
    """A class taken apart: everything but `members` is text."""

    lead: str
    decorators: str
    name: str
    bases: tuple[str, ...]  # positional bases and keywords as written
    header_comment: str  # what follows the colon on the header's last line
    members: tuple[Statement, ...]
    footer: str  # comments below the last member


def _unchanged(text: str) -> str:
    return text


def take_apart(statement: Statement, change: Callable[[str], str] = _unchanged) -> ClassParts:
    """Take apart a class; `change` is applied to all of its text, and may neither add nor drop lines."""
    node = statement.owner
    text = change(statement.text)
    header = node.lineno - statement.line
    lines = split_lines(text)
    colon = closing_colon(text, sum(map(len, lines[:header])))
    body_start = text.count("\n", 0, colon) + 1
    comment = text[colon + 1 :].partition("\n")[0]
    first_line = statement.line
    if node.body[0].lineno < statement.line + body_start:  # `class A(B): pass`
        lines = [*split_lines(text[: colon + 1] + "\n"), f"    {comment.strip()}\n"]
        comment, first_line = "", first_line - 1
    members = tuple(
        replace(each, names=tuple(map(change, each.names)))
        for each in split_statements(lines, node.body, body_start, len(lines), 4, first_line)
    )
    end = body_start + sum(member.whole.count("\n") for member in members)
    return ClassParts(
        lead=change(statement.lead),
        decorators="".join(lines[:header]),
        name=change(node.name),
        bases=tuple(change(ast.unparse(base)) for base in (*node.bases, *node.keywords)),
        header_comment=comment,
        members=members,
        footer="".join(lines[end:]),
    )
