"""Module text -> its top-level statements, the definitions among them, and the members of its classes.

`ast` says on which lines a statement lies; what it says stays text, comments included. A comment or blank line belongs
to the statement below it, except where it is indented deeper: then it ends the block above.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from converter.scan import closing_colon, mentions
from converter.source import Source


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a module or of a class body, with the lines above it that belong to it.

    `kind` is "import", "guard", "class", "function", "assignment", "update" (of a variable), "docstring" or "other"; `names`
    are the names it binds or updates.
    """

    kind: str
    names: tuple[str, ...]
    order: int
    line: int  # of the statement itself (of its first decorator), from 1
    lead: str  # blank lines and comments above
    text: str
    node: ast.stmt

    @property
    def whole(self) -> str:
        """The statement below its comments and blank lines."""
        return self.lead + self.text


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
            if each.kind in ("class", "function", "assignment"):
                found.update(dict.fromkeys(each.names, each))
            elif each.kind == "update" and each.names[0] in found:
                variable = found[each.names[0]]
                found[each.names[0]] = replace(variable, text=variable.text + each.lead + each.text)
        return found

    @cached_property
    def uses(self) -> Mapping[str, frozenset[str]]:
        """Definition -> the module's other definitions that it mentions."""
        return _Uses(self.definitions)

    def of_kind(self, *kinds: str) -> Iterator[Statement]:
        """The statements of the given kinds, in order."""
        return (each for each in self.statements if each.kind in kinds)


class _Uses(dict[str, frozenset[str]]):
    """Computed when asked: most definitions of a base file are never needed."""

    def __init__(self, definitions: Mapping[str, Statement]) -> None:
        super().__init__()
        self._definitions = definitions

    def __missing__(self, name: str) -> frozenset[str]:
        found = (mentions(self._definitions[name].text) & self._definitions.keys()) - {name}
        self[name] = found
        return found


def index_module(source: Source) -> ModuleIndex:
    """Read a module. Raises ConversionError where it is not Python."""
    try:
        tree = ast.parse(source.text)
    except SyntaxError as error:
        raise source.refuse(
            error.lineno or 1, error.offset or 1, "syntax-error", f"not Python: {error.msg}", "correct the syntax"
        ) from None
    lines = source.text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    statements = tuple(split_statements(lines, tree.body, 0, len(lines), 0))
    if not statements:
        return ModuleIndex(source, "".join(lines), ())
    first = statements[0]
    headless = Statement(first.kind, first.names, first.order, first.line, "", first.text, first.node)
    return ModuleIndex(source, first.lead, (headless, *statements[1:]))


def split_statements(
    lines: Sequence[str], body: Sequence[ast.stmt], start: int, end: int, indent: int
) -> Iterator[Statement]:
    """The statements of one block, which lies on lines[start:end] and is indented by `indent` columns."""
    spans = list(_spans(body))
    above = start
    for order, (node, first, last) in enumerate(spans):
        following = spans[order + 1][1] if order + 1 < len(spans) else end
        last += _deeper_comments(lines[last:following], indent)
        kind, names = _kind_and_names(node)
        yield Statement(kind, names, order, first + 1, "".join(lines[above:first]), "".join(lines[first:last]), node)
        above = last


def _spans(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.stmt, int, int]]:
    """(node, first line, line after the last), from 0; statements that share a line count as one."""
    pending: tuple[ast.stmt, int, int] | None = None
    for node in body:
        decorators = getattr(node, "decorator_list", ())
        first = min([node.lineno, *(each.lineno for each in decorators)]) - 1
        last = node.end_lineno or node.lineno
        if pending and first < pending[2]:
            pending = (pending[0], pending[1], last)
            continue
        if pending:
            yield pending
        pending = (node, first, last)
    if pending:
        yield pending


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


def _kind_and_names(node: ast.stmt) -> tuple[str, tuple[str, ...]]:
    match node:
        case ast.Import() | ast.ImportFrom():
            return "import", tuple(alias.asname or alias.name for alias in node.names)
        case ast.ClassDef():
            return "class", (node.name,)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return "function", (node.name,)
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name)) | ast.Attribute(value=ast.Name(id=name))]):
            return "update", (name,)
        case ast.Assign(targets=targets):
            return "assignment", tuple(_target_names(targets))
        case ast.AnnAssign(target=ast.Name(id=name)):
            return "assignment", (name,)
        case ast.If():
            return "guard", ()
        case ast.Expr(value=ast.Constant(value=str())):
            return "docstring", ()
    return "other", ()


def _target_names(targets: Sequence[ast.expr]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id
        elif isinstance(target, ast.Tuple):
            yield from _target_names(target.elts)


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


def take_apart(text: str) -> ClassParts:
    """Take apart the text of one top-level class statement (with the comments above it)."""
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.ClassDef)
    lines = text.splitlines(keepends=True)
    header = node.lineno - 1
    first_decorator = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
    offset = sum(map(len, lines[:header]))
    colon = closing_colon(text, offset)
    after = text[colon + 1 :]
    if node.body[0].lineno - 1 == text.count("\n", 0, colon):  # `class A(B): pass`
        rest = after.strip()
        lines = [*text[: colon + 1].splitlines(keepends=True), "\n", f"    {rest}\n"]
        return take_apart("".join(lines).replace(":\n\n", ":\n"))
    comment, _, _ = after.partition("\n")
    body_start = text.count("\n", 0, colon) + 1
    members = tuple(split_statements(lines, node.body, body_start, len(lines), 4))
    end = body_start + sum(member.whole.count("\n") for member in members)
    bases = tuple(ast.unparse(base) for base in (*node.bases, *node.keywords))
    return ClassParts(
        lead="".join(lines[:first_decorator]),
        decorators="".join(lines[first_decorator:header]),
        name=node.name,
        bases=bases,
        header_comment=comment,
        members=members,
        footer="".join(lines[end:]),
    )
