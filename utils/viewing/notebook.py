"""A text with its tokens coloured, as a piece of HTML without script: what notebooks show."""

from __future__ import annotations

from html import escape

from viewing.colours import colour_of, css, ink_on
from viewing.pieces import pieces_of
from viewing.values import Panel


def make_snippet(panel: Panel) -> str:
    """HTML of a text, each token in the colour of its mean over the rows, with its numbers where a mouse rests."""
    means, measure = panel.means(), panel.measure
    spans = []
    for piece in pieces_of(panel.text, panel.tokens):
        if not piece.tokens:
            spans.append(escape(piece.text))
            continue
        value = sum(means[number] for number in piece.tokens) / len(piece.tokens)
        colour = colour_of(value, measure.low, measure.high)
        said = "; ".join(f"{panel.tokens[number].shown}: {means[number]:.4f}" for number in piece.tokens)
        style = f"background:{css(colour)};color:{css(ink_on(colour))};border-radius:3px"
        spans.append(f'<span style="{style}" title="{escape(said)}">{escape(piece.text)}</span>')
    caption = f"{measure.value}, mean of {len(panel.rows)}: blue is {measure.closed}, orange is {measure.open}"
    text = f'<div dir="auto" style="white-space:pre-wrap;line-height:1.9">{"".join(spans)}</div>'
    return f"<figure><figcaption>{escape(panel.title)} ({escape(caption)})</figcaption>{text}</figure>"
