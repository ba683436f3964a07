"""Which script most letters of a text are of. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache


_SAMPLE = 400  # characters that are looked at, spread over the text
_JOINED = {"CJK": "Han", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Hangul"}


def writing_system(text: str) -> str:
    """ "Latin", "Cyrillic", "Han", ...: of most letters in a text; "none" where it has none."""
    counts = Counter(map(_of_letter, text[:: max(len(text) // _SAMPLE, 1)]))
    counts.pop("", None)
    return min(counts, key=lambda name: (-counts[name], name)) if counts else "none"


@lru_cache(maxsize=1 << 16)
def _of_letter(letter: str) -> str:
    if not letter.isalpha():
        return ""
    first = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return _JOINED.get(first, first.title())
