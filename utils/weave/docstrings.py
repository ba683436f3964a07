"""Docstrings of entries, as configurations, outputs and forwards have them: read, and changed entry by entry.

An entry is what transformers has for an argument or a field: "name (`type`):", and what is further in below it. Text in,
text out; docstrings are at the left margin, or as they are written.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace


_ENTRY = re.compile(r"^ *(?P<name>\w+) \((?:[`*]|.*\)\s*:\s*$)")
_BRIEF = re.compile(r"^ *(?P<name>\w+): ")
_HEADING = re.compile(r"^\s*(?:Args|Arguments|Parameters)\s*:\s*$")
_EXAMPLE = re.compile(r"^\s*(?:Examples?\s*:|```)")
_RETURNED = re.compile(r"^\s*Returns?\s*:")
_QUOTES = re.compile(r'^(?P<open> *r?""")\n?(?P<inside>.*?)(?P<close>\n? *""")\n?$', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Passage:
    """An entry of a docstring, or the text between two."""

    name: str  # of the entry; "" of text
    above: tuple[str, ...]  # blank lines, which set it apart
    lines: tuple[str, ...]


def entry_name(line: str, brief: bool = False) -> str:
    """The name of the entry that a line begins; "" of any other line.

    Args:
        line: of a docstring.
        brief: whether "name: what it is" begins one, too.
    """
    found = _ENTRY.match(line) or (_BRIEF.match(line) if brief else None)
    return found["name"] if found else ""


def entry_names(text: str) -> list[str]:
    """The names of the entries of a docstring, in their order."""
    return [name for line in text.split("\n") if (name := entry_name(line))]


def passages(text: str, brief: bool = False) -> list[Passage]:
    """A docstring entry by entry, and what stands above, between and behind them.

    Args:
        text: of the docstring.
        brief: whether "name: what it is" is an entry, too.
    """
    found: list[tuple[str, list[str], list[str]]] = []
    blank: list[str] = []
    for line in text.split("\n"):
        name = entry_name(line, brief)
        if not line.strip():
            blank.append(line)
            continue
        if name and not found and blank:
            found.append(("", [], blank))  # the line that the quotes stand on
            blank = []
        if name or not found or (found[-1][0] and _depth(line) <= _depth(found[-1][2][0])):
            found.append((name, blank, [line]))
        else:
            found[-1][2].extend([*blank, line])
        blank = []
    if blank:
        found.append(("", [], blank))
    return [Passage(name, tuple(above), tuple(lines)) for name, above, lines in found]


def joined(parts: Iterable[Passage]) -> str:
    """The docstring of some passages."""
    return "\n".join(line for each in parts for line in (*each.above, *each.lines))


def split_entries(text: str) -> tuple[str, str]:
    """A docstring above its first entry, and from there on, at the left margin."""
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if entry_name(line)), len(lines))
    return "\n".join(lines[:first]), textwrap.dedent("\n".join(lines[first:])).rstrip()


def split_example(text: str) -> tuple[str, str]:
    """A docstring before its example, and from there on."""
    lines = text.split("\n")
    place = _first(lines, _EXAMPLE)
    return "\n".join(lines[:place]).strip("\n"), "\n".join(lines[place:]).strip("\n")


def arguments_of(text: str) -> str:
    """What a docstring says of arguments or fields, at the left margin: what is below their heading, or from the first entry."""
    lines = split_example(text)[0].split("\n")
    heading = _first(lines, _HEADING)
    if heading == len(lines):
        return split_entries("\n".join(lines))[1]
    below = lines[heading + 1 :]
    depth = _depth(lines[heading])
    end = next((number for number, line in enumerate(below) if line.strip() and _depth(line) <= depth), len(below))
    section = textwrap.dedent("\n".join(below[:end])).strip("\n") or "\n".join(below)
    return split_entries(section)[1] or section.rstrip()


def without_entries(text: str, names: Collection[str], brief: bool = False) -> str:
    """A docstring without some entries, and without a heading that nothing is left below, or blank lines at its ends.

    Args:
        text: of the docstring.
        names: of the entries that go.
        brief: whether "name: what it is" is an entry, too.
    """
    there = passages(text, brief)
    kept = [each for each in there if not each.name or each.name not in names]
    if len(kept) == len(there):
        return text
    if not any(each.name for each in kept):
        kept = [replace(each, lines=tuple(line for line in each.lines if not _HEADING.match(line))) for each in kept]
    return joined(kept).strip("\n")


def described(said: str, added: str) -> str:
    """A docstring with more entries behind its own, as far in as they are."""
    lines = said.split("\n")
    first = next((line for line in lines if entry_name(line)), "")
    end = min(_first(lines, _EXAMPLE), _first(lines, _RETURNED))
    above = "\n".join(lines[:end]).rstrip()
    parts = [above, *(" " * _depth(first) + line for line in added.split("\n"))] if above else added.split("\n")
    return "\n".join([*parts, *["", *lines[end:]]] if lines[end:] else parts)


def merge_entries(woven: str, own: str) -> str | None:
    """The woven docstring with the entries of another in place of its own of the same names; new ones go last.

    Both are given as statements of a class. None where the other is no list of entries, or the woven one has none: it then
    replaces the whole. What stands behind the entries, an example, stays last, unless the other has one of its own.
    """
    theirs, mine = _QUOTES.match(woven), _QUOTES.match(own)
    if theirs is None or mine is None:
        return None
    _, changed, behind = _parted(mine["inside"])
    above, old, tail = _parted(theirs["inside"])
    if not changed or not old or mine["inside"].lstrip("\n").split("\n")[0] != changed[0].lines[0]:
        return None
    new = {each.name: each for each in changed}
    kept = [replace(new.pop(each.name), above=each.above) if each.name in new else each for each in old]
    text = joined([*above, *kept, *new.values(), *(behind or tail)])
    return f"{theirs['open']}\n{text}{theirs['close']}\n"


def _parted(inside: str) -> tuple[list[Passage], list[Passage], list[Passage]]:
    """The passages of a docstring: those above its first entry, from there to the last one, and behind it."""
    found = passages(inside.rstrip())
    entries = [number for number, each in enumerate(found) if each.name]
    first, last = (entries[0], entries[-1] + 1) if entries else (len(found), len(found))
    return found[:first], found[first:last], found[last:]


def _first(lines: list[str], wanted: re.Pattern[str]) -> int:
    """The number of the first line that begins so, from 0; how many there are where none does."""
    return next((number for number, line in enumerate(lines) if wanted.match(line)), len(lines))


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
