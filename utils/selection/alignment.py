"""Where the tokens of a text lie in it, for tokenizers that do not say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence


_UNFINISHED = "\ufffd"  # what bytes decode to that are only part of a character
_LONGEST = 8  # tokens that share a character at most: bytes of it, and some before them


def aligned(text: str, written: Sequence[str]) -> list[tuple[int, int]]:
    """Where each token lies in a text, found from what it decodes to.

    Tokens that are not found where the ones before them ended, or after blanks from there, stand for no characters.
    """
    spans, place = [], 0
    for word in written:
        start = place
        if word and not text.startswith(word, start):
            word = word.strip()
            start = len(text) - len(text[place:].lstrip())
        if word and text.startswith(word, start):
            spans.append((start, start + len(word)))
            place = start + len(word)
        else:
            spans.append((place, place))
    return spans


def aligned_whole(
    text: str, tokens: Sequence[int], decode: Callable[[list[int]], str]
) -> list[tuple[int, int]] | None:
    """Where each token lies in a text; None where some of the text is found in no token, as if it was changed first.

    Args:
        text: what was cut into tokens.
        tokens: its tokens; those that are bytes of one character share its place.
        decode: tokens -> what they stand for.
    """
    counts, words, waiting = [], [], []
    for number, token in enumerate(tokens):
        waiting.append(token)
        word = decode(waiting)
        if _UNFINISHED not in word or len(waiting) == _LONGEST or number == len(tokens) - 1:
            counts.append(len(waiting))
            words.append(word)
            waiting = []
    spans = aligned(text, words)
    if text[max((end for _, end in spans), default=0) :].strip():
        return None
    return [span for span, count in zip(spans, counts, strict=True) for _ in range(count)]
