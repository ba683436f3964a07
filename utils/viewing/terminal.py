"""Panels on a terminal: the text with every token on its colour, and a line of numbers for each row."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from viewing.colours import colour_of, css, ink_on
from viewing.pieces import pieces_of
from viewing.values import Panel


def print_panel(panel: Panel, console: Console) -> None:
    """Print a text in colours, and the mean, the least and the greatest value of each row."""
    console.print(Text(panel.title, style="bold"))
    console.print(coloured(panel))
    console.print(summary(panel))


def coloured(panel: Panel) -> Text:
    """The text, each token on the colour of its mean over the rows. What would move a terminal's cursor is shown."""
    means, measure, shown = panel.means(), panel.measure, Text()
    for piece in pieces_of(panel.text, panel.tokens):
        value = sum(means[number] for number in piece.tokens) / len(piece.tokens) if piece.tokens else None
        colour = colour_of(value, measure.low, measure.high) if value is not None else None
        style = f"{css(ink_on(colour))} on {css(colour)}" if colour else ""
        shown.append(_harmless(piece.text), style)
    return shown


def summary(panel: Panel) -> Table:
    """One line a row: mean, least and greatest value over tokens."""
    table = Table()
    table.add_column("row", justify="right")
    for heading in ("mean", "least", "greatest"):
        table.add_column(heading, justify="right")
    for name, row in zip(panel.rows, panel.values(), strict=True):
        table.add_row(name, *(f"{number:.4f}" for number in (sum(row) / len(row), min(row), max(row))))
    return table


def _harmless(text: str) -> str:
    return "".join(
        character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1] for character in text
    )
