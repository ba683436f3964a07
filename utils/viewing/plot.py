"""Panels as a picture: a heat map of rows by tokens for each. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from viewing.colours import CLOSED, LIGHT, OPEN, css
from viewing.values import Panel


LABELLED = 80  # tokens: of a longer text, the names would lie on one another


def write_picture(panels: Sequence[Panel], place: Path) -> None:
    """Write the heat maps of panels, one below another, to a PNG file."""
    scale = LinearSegmentedColormap.from_list("gate", [css(CLOSED), css(LIGHT), css(OPEN)])
    widest = max(len(panel.tokens) for panel in panels)
    tallest = max(len(panel.rows) for panel in panels)
    width, height = min(24.0, max(6.0, 0.16 * widest)), min(8.0, max(2.4, 0.14 * tallest + 1.2))
    figure = Figure(figsize=(width, height * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        measure = panel.measure
        shown = axes.imshow(
            panel.values(),
            aspect="auto",
            origin="lower",
            interpolation="nearest",
            cmap=scale,
            vmin=measure.low,
            vmax=measure.high,
        )
        axes.set_title(_plain(panel.title), fontsize=9)
        axes.set_ylabel("row")
        if len(panel.tokens) <= LABELLED:
            names = [_plain(token.shown) for token in panel.tokens]
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        figure.colorbar(shown, ax=axes, label=f"{measure.value}: {measure.closed} to {measure.open}")
    figure.savefig(place, dpi=150)


def _plain(text: str) -> str:
    """What no mathematics is read in, on one line."""
    return text.replace("$", r"\$").replace("\n", "\u23ce")[:60]
