"""A scored corpus -> one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import math
from typing import Any

from rendering.render import render

from viewing.colours import CLOSED, DARK, LIGHT, OPEN, css
from viewing.corpus import CorpusView, Seen
from viewing.page import escaped, script_json, short


def make_corpus_page(title: str, view: CorpusView) -> str:
    """The text of a page that lists documents. Pure: the same view gives the same page."""
    data = {
        "score": view.score,
        "documents": view.documents,
        "kept": view.kept,
        "layers": view.layers,
        "histogram": {
            "edges": [short(each) for each in view.histogram.edges],
            "counts": view.histogram.counts,
            "kept": view.histogram.kept,
        },
        "colours": {"closed": CLOSED, "open": OPEN, "light": LIGHT, "dark": DARK},
        "sample": [_packed(each) for each in view.sample],
    }
    return render(
        "viewer/corpus.html.j2",
        title=escaped(title),
        data=script_json(data),
        light=css(LIGHT),
        dark=css(DARK),
        open=", ".join(map(str, OPEN)),
    )


def _packed(seen: Seen) -> dict[str, Any]:
    """A map of tokens is a byte for each value: 255 is a good ratio of 1."""
    values = bytes(round(255 * value) for row in seen.tokens_map for value in row)
    return {
        "id": seen.id,
        "source": seen.source,
        "tokens": seen.tokens,
        "score": short(seen.score) if math.isfinite(seen.score) else None,
        "perplexity": None if seen.perplexity is None else short(seen.perplexity),
        "layers": [short(each) for each in seen.layers],
        "map": base64.b64encode(values).decode("ascii") if values else None,
        "text": seen.text,
        "verdict": seen.verdict,
    }
