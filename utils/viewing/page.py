"""Panels -> one HTML page that needs nothing else: no network, no fonts, no libraries."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from rendering.render import render

from viewing.colours import CLOSED, DARK, LIGHT, OPEN, css
from viewing.pieces import pieces_of
from viewing.values import Panel


def make_page(title: str, panels: Sequence[Panel]) -> str:
    """The text of a page that shows panels side by side. Pure: the same panels give the same page.

    Raises:
        ValueError: there is no panel, or they do not have one measure.
    """
    if not panels or any(panel.measure != panels[0].measure for panel in panels):
        raise ValueError("a page shows one panel or more, all of one measure")
    measure = panels[0].measure
    data = {
        "measure": {
            **{name: getattr(measure, name) for name in ("score", "value", "low", "high", "closed", "open")},
            "plain": measure.is_plain,
        },
        "colours": {"closed": CLOSED, "open": OPEN, "light": LIGHT, "dark": DARK},
        "panels": [_packed(panel) for panel in panels],
    }
    titles = [panel.title for panel in panels]
    texts = [panel.text for panel in panels]
    return render(
        "viewer/page.html.j2",
        title=escaped(title),
        data=script_json(data),
        light=css(LIGHT),
        dark=css(DARK),
        panels=[(escaped(name), escaped(text)) for name, text in zip(titles, texts, strict=True)],
    )


def script_json(data: Any) -> str:
    """JSON as an element of a page may hold it: whatever is in it, it neither ends the element nor begins another."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _packed(panel: Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "pieces": [[piece.text, piece.tokens] for piece in pieces_of(panel.text, panel.tokens)],
        "tokens": [[token.id, token.shown, panel.text[token.start : token.end]] for token in panel.tokens],
        "rows": panel.rows,
        "scores": _floats(number for row in panel.scores for number in row),
        "numbers": {name: [None if n is None else short(n) for n in row] for name, row in panel.numbers.items()},
        "notes": panel.notes,
    }


def _floats(numbers: Iterable[float]) -> str:
    """Numbers of 32 bits, lowest byte first, in base 64: a third of the size that they have when written out."""
    packed = array("f", numbers)
    if packed.itemsize != 4:  # as C has it on every machine that torch runs on
        raise OverflowError("a float of C has not four bytes here")
    return base64.b64encode(packed.tobytes()).decode("ascii")


def short(number: float) -> float:
    """A number to six digits, more than any page shows."""
    return float(f"{number:.6g}")


def escaped(text: str) -> str:
    """Text in a page. Half a surrogate pair, which no encoding takes, becomes the sign for what cannot be shown."""
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
