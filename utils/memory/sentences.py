"""Texts -> sentences, in scripts with spaces and without. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable


# The end of a sentence: a mark before white space, a mark of scripts without spaces, a line break. What closes a
# quotation or a bracket belongs to the sentence before it.
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？；｡]+[”’」』）】]*|\n+")
# A point after these ends no sentence: titles, initials, and abbreviations that something follows
_ABBREVIATED = re.compile(
    r"(?:^|[\s(\"'“])(?:[A-Z]|(?:[A-Za-z]\.)+[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|No|vs|cf|approx|e\.g|i\.e|Mt|Gen|Col)\.$"
)


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, with their marks and without white space around them; none is empty.

    Breaks behind `. ! ?` before white space, behind 。！？； and at line breaks, but not behind initials and titles.
    """
    found, start = [], 0
    for end in _END.finditer(text):
        if end[0] == "." and _ABBREVIATED.search(text[start : end.end()]) and text[end.end() :].strip():
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [each for each in found if any(letter.isalnum() for letter in each)]


def split_facts(text: str, count: Callable[[str], int], least: int = 2) -> list[str]:
    """The sentences that have at least so many tokens, as `count` says."""
    return [each for each in split_sentences(text) if count(each) >= least]
