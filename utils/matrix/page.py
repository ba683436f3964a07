"""Rows -> docs/architectures.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rendering.render import render

from converter.tools import version
from matrix.values import Row, State


TEMPLATE = "architectures.md.j2"
_CELL = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;", "*": "\\*"})


def render_page(rows: Sequence[Row]) -> str:
    """The page: the same text for the same rows."""
    return render(
        TEMPLATE,
        transformers=version("transformers"),
        torch=version("torch"),
        counts=count(rows),
        table=[_cells(row) for row in rows if row.tests.passed or row.tests.failures],
        missing=[(row.name, row.reason.translate(_CELL)) for row in rows if row.state in (State.REFUSED, State.STUCK)],
        failing=[(row.name, _failures(row)) for row in rows if row.state is State.FAILING],
    )


def count(rows: Sequence[Row]) -> Mapping[str, int]:
    """How many rows there are in each state, and in all."""
    return {"all": len(rows)} | {state.value: sum(row.state is state for row in rows) for state in State}


def _cells(row: Row) -> tuple[str, ...]:
    tests = row.tests
    numbers = ("?" if number is None else f"{number:,}" for number in (tests.layers, tests.parameters))
    results = (str(number) for number in (tests.passed, len(tests.failures), tests.skipped))
    return row.name, *numbers, ", ".join(row.places) or "by hand", *results, tests.subset


def _failures(row: Row) -> str:
    first = "; ".join(f"`{name}`: {said}" if said else f"`{name}`" for name, said in row.tests.failures[:2])
    more = len(row.tests.failures) - 2
    return (first + (f"; and {more} more" if more > 0 else "")).translate(_CELL)
