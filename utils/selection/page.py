"""The audit as one page that needs nothing else: tables and drawings, no scripts. Names are strangers', and escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from rendering.render import render


_MOST = 200  # rows of a table


def page(numbers: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The page of an audit.

    Args:
        numbers: what `selection.audit.audit` returns.
        summary: how it was chosen: "method", "keep", "cut".
    """
    return render("selection/audit.html.j2", numbers=numbers, method=str(summary["method"]), shown=_shown, most=_MOST)


def _shown(value: object) -> str:
    """A number as people read it, a text as a page may hold it."""
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
