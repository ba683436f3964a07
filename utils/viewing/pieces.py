"""A text cut at its tokens: pieces that give the text again when they are put together, each with its tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from viewing.values import Token


@dataclass(frozen=True, slots=True)
class Piece:
    """Some characters of a text, and the numbers of the tokens that cover them.

    Without characters it is a token that stands for none; without tokens, characters that no token stands for.
    """

    text: str
    tokens: tuple[int, ...]


def pieces_of(text: str, tokens: Sequence[Token]) -> list[Piece]:
    """Cut a text where tokens begin and end. A character that several tokens share, each some bytes of it, is one piece."""
    bounds = {0, len(text)} | {
        place for token in tokens if token.end > token.start for place in (token.start, token.end)
    }
    cuts = sorted(bounds)
    covering: dict[int, list[int]] = {start: [] for start in cuts}
    empty: dict[int, list[int]] = {}
    reached = 0
    for number, token in enumerate(tokens):
        if token.end > token.start:
            for start in cuts[bisect_left(cuts, token.start) : bisect_left(cuts, token.end)]:
                covering[start].append(number)
            reached = max(reached, token.end)
        else:  # it stands where the text has got to; tokenizers give such tokens the place 0
            empty.setdefault(reached, []).append(number)
    found: list[Piece] = []
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        found += [Piece("", (number,)) for number in empty.get(start, ())]
        if end > start:
            found.append(Piece(text[start:end], tuple(covering[start])))
    return found


def readable(name: str, covered: str, is_whole: bool) -> str:
    """How a token is shown: the characters that it stands for, or its bytes where it is only part of a character.

    Args:
        name: what the tokenizer calls it: "\u0120the", "<0xE2>", "\u00e2\u0124".
        covered: the characters of the text that it covers.
        is_whole: whether no other token covers them, too.
    """
    if covered and is_whole:
        return covered.replace(" ", "\u2423").replace("\n", "\u23ce").replace("\t", "\u21e5").replace("\r", "\u240d")
    if name.startswith("<0x") and name.endswith(">"):
        return f"\u27e8{name[3:-1]}\u27e9"
    known = _bytes_by_character()
    if covered and name and all(character in known for character in name):
        return "\u27e8{}\u27e9".format(" ".join(f"{known[character]:02X}" for character in name))
    return name


@cache
def _bytes_by_character() -> dict[str, int]:
    """How byte-level tokenizers write bytes: printable Latin-1 as itself, the rest in turn from U+0100 on (GPT-2)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + number): byte for number, byte in enumerate(others)}
