"""A module's text in the one form that weaving works on: four columns a level, one statement a line."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import replace

from syntax.compiling import parse
from syntax.source import Source


_WIDTH = 4
_DEPTH = 2  # blocks that are taken apart: a class, a method; what is deeper is carried as it stands
_NOTHING = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_TEXTS = {"STRING", "FSTRING_MIDDLE", "TSTRING_MIDDLE"}  # from Python 3.12 on, f-strings are told piece by piece


def tidy(source: Source, tree: ast.Module) -> tuple[Source, ast.Module]:
    """The same module indented by four columns, with a line of its own for each statement, and its tree.

    The lines of what comes out know which of the file they are. Most modules come back as they are.
    """
    if any(_is_off(source.text, depth, block[0]) for depth, block in _blocks(tree) if block):
        source = replace(source, text=_indented_by_four(source.text))
        tree = parse(source)
    breaks = sorted(_breaks(source.text, tree)) if ";" in source.text else []
    if not breaks:
        return source, tree
    source = _broken(source, breaks)
    return source, parse(source)


def _blocks(tree: ast.Module) -> Iterator[tuple[int, Sequence[ast.stmt]]]:
    """(depth, statements) of the bodies of classes, functions and methods; the module's own has depth 0."""
    yield 0, tree.body
    pending = [(1, node) for node in tree.body]
    while pending:
        depth, node = pending.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield depth, node.body
            if depth < _DEPTH:
                pending += [(depth + 1, each) for each in node.body]


def _is_off(text: str, depth: int, first: ast.stmt) -> bool:
    """Whether a block is indented otherwise; one on the line that opens it (`def f(self): return 1`) is not."""
    if first.col_offset == _WIDTH * depth:
        return False
    return not text.split("\n")[first.lineno - 1][: first.col_offset].strip()


def _breaks(text: str, tree: ast.Module) -> Iterator[tuple[int, int, int]]:
    """(line, byte column, depth) of each statement behind a semicolon, and of the one that opens its line."""
    lines = text.split("\n")
    for depth, block in _blocks(tree):
        for one, other in zip(block, block[1:], strict=False):
            if one.end_lineno == other.lineno:
                yield other.lineno, other.col_offset, depth
                if one is block[0] and lines[one.lineno - 1].encode()[: one.col_offset].strip():
                    yield one.lineno, one.col_offset, depth


def _broken(source: Source, breaks: Sequence[tuple[int, int, int]]) -> Source:
    lines = source.text.split("\n")
    numbers: list[int] = []
    made: list[str] = []
    for number, line in enumerate(lines, 1):
        here = sorted({(column, depth) for at, column, depth in breaks if at == number})
        content, start, indent = line.encode(), 0, ""
        for column, depth in here:
            made.append(indent + content[start:column].decode().rstrip().rstrip(";").rstrip())
            numbers.append(number)
            start, indent = column, " " * _WIDTH * depth
        made.append(indent + content[start:].decode())
        numbers.append(number)
    told = source.lines
    return replace(source, text="\n".join(made), lines=tuple(told[n - 1] if told else n for n in numbers))


def _indented_by_four(text: str) -> str:
    """Each logical line four columns deeper than what opens its block; strings of several lines stay as they are."""
    lines = text.split("\n")
    shifted = list(lines)
    inside: set[int] = set()  # lines that begin within a string
    columns = [0]
    start: tuple[int, int] | None = None  # of the logical line at hand: its first line, its depth
    comments: list[int] = []  # lines of those between two logical lines: an indent is told below them
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        first, last = token.start[0], token.end[0]
        if token.type == tokenize.INDENT:
            columns.append(_width(token.string))
            _shift_comments(lines, shifted, comments, columns)
        elif token.type == tokenize.DEDENT:
            columns.pop()
        if tokenize.tok_name[token.type] in _TEXTS:
            inside.update(range(first + 1, last + 1))
        if token.type == tokenize.COMMENT and start is None:
            comments.append(first)
            _shift_comments(lines, shifted, [first], columns)
        elif token.type == tokenize.NEWLINE and start is not None:
            _shift(lines, shifted, start[0], first, start[1], inside)
            start = None
        elif token.type not in _NOTHING and start is None:
            start = first, len(columns) - 1
            comments.clear()
    return "\n".join(shifted)


def _shift_comments(lines: Sequence[str], shifted: list[str], numbers: Sequence[int], columns: Sequence[int]) -> None:
    """Move comments with lines of their own as deep as the blocks go that they stand in by their columns."""
    for number in numbers:
        line = lines[number - 1].lstrip()
        at = _width(lines[number - 1][: -len(line)])
        shifted[number - 1] = " " * _WIDTH * sum(1 for column in columns[1:] if column <= at) + line


def _shift(lines: list[str], shifted: list[str], first: int, last: int, depth: int, inside: set[int]) -> None:
    """Move the lines of one logical line by as much as its first one moves."""
    old = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    for number in range(first, last + 1):
        line = lines[number - 1]
        if number not in inside and line.startswith(old):
            shifted[number - 1] = " " * _WIDTH * depth + line[len(old) :]


def _width(indent: str) -> int:
    """The column that an indent reaches, as Python counts tabs."""
    return len(indent.expandtabs(8))
