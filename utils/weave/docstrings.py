"""Docstrings of entries, as configurations and forwards have them: one entry changed without a word of the others."""

from __future__ import annotations

import re


_ENTRY = re.compile(r"^(?P<indent> *)(?P<name>\w+) \(`")
_QUOTES = re.compile(r'^(?P<open> *r?""")\n?(?P<inside>.*?)(?P<close>\n? *""")\n?$', re.DOTALL)


def merge_entries(woven: str, own: str) -> str | None:
    """The woven docstring with the entries of another in place of its own of the same names; new ones go last.

    Both are given as statements of a class. None where the other is no list of entries, or the woven one has none: it then
    replaces the whole.
    """
    theirs, mine = _QUOTES.match(woven), _QUOTES.match(own)
    if theirs is None or mine is None:
        return None
    changed = _entries(mine["inside"].split("\n"))
    old = _entries(theirs["inside"].split("\n"))
    if not changed or "" in changed or len(old) - ("" in old) < 1:
        return None
    merged = old | changed
    last = max((place for place, name in enumerate(merged) if name in old), default=0)
    names = list(merged)
    tail = _tail(merged[names[last]]) if len(names) > last + 1 else []
    if tail:
        merged[names[last]] = merged[names[last]][: -len(tail)]
    lines = [line for name in names for line in merged[name]] + tail
    return f"{theirs['open']}\n" + "\n".join(lines) + theirs["close"] + "\n"


def _entries(lines: list[str]) -> dict[str, list[str]]:
    """Entries by name, each with the lines below it; "" has what stands above the first."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        entry = _ENTRY.match(line)
        if entry:
            name = entry["name"]
        elif not found and not line.strip():
            continue
        found.setdefault(name, []).append(line)
    return found


def _tail(lines: list[str]) -> list[str]:
    """What stands behind the last entry: a blank line and an example."""
    place = next((number for number, line in enumerate(lines) if not line.strip()), None)
    return lines[place:] if place is not None else []
