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
    last = list(old)[-1]  # what stands behind it, an example, stays last
    tail = _tail(old[last])
    entries = old | {last: old[last][: len(old[last]) - len(tail)]} | changed
    lines = [line for name in entries for line in entries[name]]
    if last in changed and _tail(changed[last]):
        tail = []  # the delta has an example of its own
    return f"{theirs['open']}\n" + "\n".join(lines + tail) + theirs["close"] + "\n"


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
    """What stands behind the last entry: a blank line and what is indented no deeper than the entry's name."""
    indent = len(lines[0]) - len(lines[0].lstrip())
    for number, line in enumerate(lines):
        below = next((each for each in lines[number:] if each.strip()), "")
        if not line.strip() and len(below) - len(below.lstrip()) <= indent:
            return lines[number:]
    return []
