"""The sort orders of shared files, and putting a line in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


Key = Callable[[str], tuple[tuple[int, int, str], ...]]
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry of a sorted list: its key and the number of its first line, from 0."""

    key: str
    line: int


def natural(key: str) -> tuple[tuple[int, int, str], ...]:
    """Runs of digits compare as numbers: layoutlmv3 < layoutlmv10."""
    parts = (part for part in _DIGITS.split(key) if part)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


def plain(key: str) -> tuple[tuple[int, int, str], ...]:
    """Strings compare as they are."""
    return ((1, 0, key),)


def insert(lines: Sequence[str], entries: Sequence[ListEntry], end: int, key: str, new: str, order: Key) -> list[str]:
    """The lines with `new` before the first entry that comes after `key`, or before line `end` where none does.

    Entries keep the places they have, sorted or not.

    Args:
        lines: of the file, with their ends.
        entries: of the list, in the order of the file.
        end: the number of the line after the last entry, from 0.
        key: of the new entry.
        new: its text, with the ends of its lines.
        order: what keys are compared by: `plain` or `natural`.
    """
    place = place_of(key, entries, end, order)
    return [*lines[:place], new, *lines[place:]]


def place_of(key: str, entries: Sequence[ListEntry], end: int, order: Key) -> int:
    """The number of the line that an entry goes before.

    Args:
        key: of the new entry.
        entries: of the list, in the order of the file.
        end: the number of the line after the last entry, from 0.
        order: what keys are compared by: `plain` or `natural`.
    """
    return next((entry.line for entry in entries if order(entry.key) > order(key)), end)
