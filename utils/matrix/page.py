"""Rows -> docs/architectures.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from building.tools import version
from rendering.render import render

from matrix.values import Common, Row, State


TEMPLATE = "architectures.md.j2"
_CELL = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;", "*": "\\*"})


def render_page(rows: Sequence[Row], common: Mapping[str, Common] = MappingProxyType({}), why_not: str = "") -> str:
    """The page: the same text for the same rows.

    Args:
        rows: one for each architecture.
        common: what transformers' common tests said, of each architecture that they were run on.
        why_not: why they were not run, where they were not.
    """
    return render(
        TEMPLATE,
        transformers=version("transformers"),
        torch=version("torch"),
        counts=count(rows),
        common=count_common(rows, common),
        why_not=why_not.translate(_CELL),
        table=[_cells(row, common.get(row.name)) for row in rows if _was_tested(row)],
        missing=[(row.name, row.reason.translate(_CELL)) for row in rows if row.state in (State.REFUSED, State.STUCK)],
        failing=[(row.name, _failures(row.tests.failures, 2)) for row in rows if row.state is State.FAILING],
        common_failing=[(name, _failures(tests.failures, 9)) for name, tests in common.items() if tests.failures],
        inherited=[(name, _names(tests.inherited)) for name, tests in common.items() if tests.inherited],
    )


def count(rows: Sequence[Row]) -> Mapping[str, int]:
    """How many rows there are in each state, and in all."""
    return {"all": len(rows)} | {state.value: sum(row.state is state for row in rows) for state in State}


def count_common(rows: Sequence[Row], common: Mapping[str, Common]) -> Mapping[str, int]:
    """How many architectures with tests pass transformers' common ones, fail some, or were not tried."""
    tests = [common.get(row.name) for row in rows if _was_tested(row)]
    ran = [one for one in tests if one]
    failing = sum(bool(one.failures) for one in ran)
    return {"passing": len(ran) - failing, "failing": failing, "untried": len(tests) - len(ran)}


def _was_tested(row: Row) -> bool:
    return bool(row.tests.passed or row.tests.failures)


def _cells(row: Row, common: Common | None) -> tuple[str, ...]:
    tests = row.tests
    numbers = ("?" if number is None else f"{number:,}" for number in (tests.layers, tests.parameters))
    results = (str(number) for number in (tests.passed, len(tests.failures), tests.skipped))
    return row.name, *numbers, ", ".join(row.places) or "by hand", *results, tests.subset, *_common_cells(common)


def _common_cells(tests: Common | None) -> tuple[str, ...]:
    if tests is None:
        return ("not run", "", "", "")
    counts = (tests.passed, len(tests.failures), tests.skipped, len(tests.inherited))
    return tuple(str(number) for number in counts)


def _failures(failures: Sequence[tuple[str, str]], shown: int) -> str:
    first = "; ".join(f"`{name}`: {said}" if said else f"`{name}`" for name, said in failures[:shown])
    more = len(failures) - shown
    return (first + (f"; and {more} more" if more > 0 else "")).translate(_CELL)


def _names(failures: Sequence[tuple[str, str]]) -> str:
    """The tests without their class, each once."""
    names = dict.fromkeys(name.rpartition("::")[2] for name, _ in failures)
    return ", ".join(f"`{name}`" for name in names).translate(_CELL)
