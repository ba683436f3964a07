"""Texts cut at their tokens: nothing is lost or doubled, and every token is somewhere."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from viewing.pieces import Piece, pieces_of, readable
from viewing.values import Token


@st.composite
def cut(draw: st.DrawFn) -> tuple[str, list[Token]]:
    """A text with tokens in their order, of which some share characters and some have none."""
    text = draw(st.text(max_size=20))
    spans, place = [], 0
    for _ in range(draw(st.integers(0, 12))):
        start = draw(st.integers(max(0, place - 1), len(text)))
        end = draw(st.integers(start, len(text)))
        spans.append((start, end) if end > start else (0, 0))
        place = max(place, end)
    return text, [Token(number, "", *span) for number, span in enumerate(spans)]


@settings(deadline=None, suppress_health_check=list(HealthCheck))  # a busy machine is no fault
@given(cut())
def test_pieces_give_the_text_again(given_: tuple[str, list[Token]]) -> None:
    text, tokens = given_
    pieces = pieces_of(text, tokens)
    assert "".join(piece.text for piece in pieces) == text
    for number, token in enumerate(tokens):
        held = "".join(piece.text for piece in pieces if number in piece.tokens)
        assert held == text[token.start : token.end]
        assert sum(number in piece.tokens for piece in pieces) >= 1
    assert all(piece.text or len(piece.tokens) == 1 for piece in pieces)


def test_tokens_without_characters_stand_where_the_text_has_got_to() -> None:
    tokens = [Token(1, "<s>", 0, 0), Token(5, "ab", 0, 2), Token(2, "</s>", 0, 0), Token(6, "c", 3, 4)]
    expected = [Piece("", (0,)), Piece("ab", (1,)), Piece("", (2,)), Piece("-", ()), Piece("c", (3,))]
    assert pieces_of("ab-c", tokens) == expected


def test_a_character_of_several_tokens_is_one_piece() -> None:
    tokens = [Token(1, "", 0, 1), Token(2, "", 0, 1), Token(3, "", 1, 2)]
    assert pieces_of("\u20acx", tokens) == [Piece("\u20ac", (0, 1)), Piece("x", (2,))]


@pytest.mark.parametrize(
    ("name", "covered", "is_whole", "shown"),
    [
        ("\u0120the", " the", True, "\u2423the"),
        ("\u010a\u010a", "\n\n", True, "\u23ce\u23ce"),
        ("\u00e2\u0124", "\u20ac", False, "\u27e8E2 82\u27e9"),
        ("<0xE2>", "\u20ac", False, "\u27e8E2\u27e9"),
        ("\u2581the", "the", True, "the"),
        ("<s>", "", True, "<s>"),
    ],
)
def test_tokens_are_shown_readably(name: str, covered: str, is_whole: bool, shown: str) -> None:
    assert readable(name, covered, is_whole) == shown
