"""What a stretch of Python text mentions, read off its tokens; no tree is built.

One regular expression tells strings, comments and words apart. It is the converter's inner loop: libcst takes about
twenty times as long to parse the same text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Set

from syntax.trees import tree_of


_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<string>
        (?<![\w])(?P<prefix>[rbuRBU]{0,2}[fF]?[rR]?)
        (?:\"\"\"(?:[^\\\"]|\\.|\"(?!\"\"))*\"\"\"
          |\'\'\'(?:[^\\\']|\\.|\'(?!\'\'))*\'\'\'
          |\"(?:[^\\\"\n]|\\.)*\"
          |\'(?:[^\\\'\n]|\\.)*\')
    )
  | (?P<ellipsis>\.\.\.)
  | (?P<attribute>\.\s*[^\W\d]\w*)
  | (?P<word>[^\W\d]\w*)
  | (?P<number>\d[\w.]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_TOKEN_OR_BRACKET = re.compile(rf"{_TOKEN.pattern}|(?P<punct>[\[\](){{}}:])", _TOKEN.flags)
_QUOTED_ANNOTATION = re.compile(r"""(?:[:\[,|]|->)\s*(?:"([A-Za-z_][\w.\[\], |']*)"|'([A-Za-z_][\w.\[\], |]*)')""")


def mentions(text: str) -> frozenset[str]:
    """The words of `text` that can be names: no strings, comments, attributes or numbers. Fields of f-strings count."""
    return frozenset(_words(text))


def _words(text: str) -> Iterator[str]:
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "word":
            yield token.group()
        elif kind == "string" and "f" in token["prefix"].lower():
            for start, end in _fields(token.group()):
                yield from _words(token.group()[start:end])


def _fields(literal: str) -> Iterator[tuple[int, int]]:
    """Where the fields of an f-string lie, between their braces; `{{` and `}}` are no braces."""
    depth = start = position = 0
    while position < len(literal):
        mark = literal[position]
        if depth == 0 and literal[position : position + 2] in ("{{", "}}"):
            position += 2
            continue
        if mark == "{":
            depth += 1
            start = position + 1 if depth == 1 else start
        elif mark == "}" and depth:
            depth -= 1
            if depth == 0:
                yield start, position
        position += 1


def mentions_with_annotations(text: str, names: Set[str]) -> frozenset[str]:
    """The words of `mentions`, and those of `names` that are inside quoted annotations."""
    found = mentions(text)
    quoted = {word for match in _QUOTED_ANNOTATION.finditer(text) for word in _words(match[1] or match[2])}
    if quoted.isdisjoint(names - found):  # nearly always: then nothing has to be parsed
        return found
    try:
        tree = tree_of(text)
    except SyntaxError:
        return found
    annotations = (
        note
        for node in ast.walk(tree)
        for note in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if note is not None
    )
    strings = (each.value for note in annotations for each in ast.walk(note) if isinstance(each, ast.Constant))
    return found.union(*(_words(each) for each in strings if isinstance(each, str)))


def local_functions(text: str) -> frozenset[str]:
    """Functions defined below the top level of `text`."""
    return frozenset(re.findall(r"^[ \t]+def (\w+)", text, re.MULTILINE))


def is_definition(text: str) -> bool:
    """Whether a top-level statement defines a class or a function."""
    return any(line.startswith(("class ", "def ", "@", "async def ")) for line in text.split("\n"))


def map_tokens(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` to every identifier, comment and plain string of `text`.

    The literal text of an f-string stays as it is; the expressions in its fields are changed.
    """

    def replace(token: re.Match[str]) -> str:
        if token.lastgroup == "string" and "f" in token["prefix"].lower():
            return _map_fields(token.group(), change)
        return change(token.group())

    return _TOKEN.sub(replace, text)


def _map_fields(literal: str, change: Callable[[str], str]) -> str:
    pieces, last = [], 0
    for start, end in _fields(literal):
        pieces += [literal[last:start], map_tokens(literal[start:end], change)]
        last = end
    return "".join([*pieces, literal[last:]])


def drop_comments(text: str, mark: str) -> str:
    """Empty the comments that contain `mark`. Keeps the count of lines."""

    def replace(token: re.Match[str]) -> str:
        return "" if token.lastgroup == "comment" and mark in token.group() else token.group()

    return _TOKEN.sub(replace, text) if mark in text else text


def map_prose(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` to every comment and plain string of `text`."""

    def replace(token: re.Match[str]) -> str:
        kind = token.lastgroup
        plain = kind == "string" and "f" not in token["prefix"].lower()
        return change(token.group()) if plain or kind == "comment" else token.group()

    return _TOKEN.sub(replace, text)


def closing_colon(text: str, start: int) -> int:
    """Position of the colon that ends the compound statement header which begins at `start`.

    Both are counted in characters from 0. Raises ValueError where no colon follows outside of brackets.
    """
    depth = 0
    for token in _TOKEN_OR_BRACKET.finditer(text, start):
        if token.lastgroup != "punct":
            continue
        mark = token.group()
        if mark == ":" and depth == 0:
            return token.start()
        depth += (mark in "[({") - (mark in "])}")
    raise ValueError(f"no colon ends the header at offset {start}")
