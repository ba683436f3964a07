"""Which sentences have some words. Pure."""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections.abc import Iterable, Sequence

from memory.values import Row


_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of a query, in small letters and without accents."""
    return _WORD.findall(_plain(text)) or [_plain(text)]


def rank(rows: Iterable[Row], query: str, limit: int) -> list[tuple[float, Row]]:
    """The rows that share words with a query, best first: (share of its words that a row has, row).

    Of those with the same words, a row that has all of the query as it stands comes first, then the earlier row. Words
    are found inside others: "berg" in "Bergen". What is known of a sentence (its subject) is searched as well.
    """
    words, whole = words_of(query), _plain(query)
    scored = ((_score(row, words, whole), -row.row, row) for row in rows)
    best = heapq.nlargest(limit, (each for each in scored if each[0][0]), key=lambda each: each[:2])
    return [(score[0], row) for score, _, row in best]


def _score(row: Row, words: Sequence[str], whole: str) -> tuple[float, bool]:
    text = _plain(" ".join((row.sentence, *row.named.values())))
    return sum(word in text for word in words) / len(words), whole in text


def _plain(text: str) -> str:
    text = text.casefold()
    if not text.isascii():  # which takes long
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(each for each in decomposed if not unicodedata.combining(each))
    return " ".join(text.split())
