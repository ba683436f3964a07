"""The audit as one page that needs nothing else: tables and drawings, no scripts. Names are strangers', and escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any


_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.15rem .7rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}h2{margin-top:2rem}svg{background:#fafafa;border:1px solid #eee}
.warning{color:#a33}"""
_WIDTH, _HEIGHT, _EDGE = 560, 220, 34
_MOST = 200  # rows of a table


def page(numbers: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The page of an audit.

    Args:
        numbers: what `selection.audit.audit` returns.
        summary: how it was chosen: "method", "keep", "cut".
    """
    parts = [
        f"<h1>Selection by {escape(str(summary['method']))}</h1>",
        f"<p>{numbers['kept']:,} of {numbers['documents']:,} documents kept, "
        f"{numbers['kept_tokens']:,} of {numbers['tokens']:,} tokens.</p>",
        "<h2>If another share were kept</h2>",
        _line(numbers["keep_rate_curve"], "ratio", "tokens", "share of documents", "share of tokens"),
        _table(numbers["keep_rate_curve"], ("ratio", "cut", "tokens")),
        "<h2>By length, in tokens</h2>",
        *_parts(numbers["by_length"]),
        "<h2>By perplexity</h2>",
        *_parts(numbers["by_perplexity"]),
        "<h2>By source</h2>",
        *_warnings(numbers["by_source"]),
        _table(numbers["by_source"], _GROUP),
        "<h2>By script</h2>",
        _table(numbers["by_script"], _GROUP),
        "<h2>Against other selections of as many documents</h2>",
        _pairs(numbers["overlap"], "share kept by both"),
        "<h2>Rank correlation of quality</h2>",
        _pairs(numbers["rank_correlation"], "Spearman"),
        "<h2>Cost of scoring</h2>",
        _pairs(numbers["cost"], "one process"),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Selection audit</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


_GROUP = ("name", "documents", "kept", "keep_rate", "quality", "p10", "p50", "p90", "deviation")


def _parts(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    if not rows:
        return ["<p>No numbers.</p>"]
    bars = _bars(rows)
    return [bars, _table(rows, ("low", "high", "documents", "kept", "keep_rate", "quality"))]


def _warnings(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for row in [row for row in rows if row["near_constant"]][:_MOST]:
        yield f'<p class="warning">{escape(row["name"])}: its scores are nearly constant, and do not rank it.</p>'


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_shown(row[name])}</td>' for name in columns)}</tr>" for row in rows[:_MOST])
    more = f"<p>and {len(rows) - _MOST:,} more, in audit.json</p>" if len(rows) > _MOST else ""
    return f"<table><tr>{head}</tr>{body}</table>{more}"


def _pairs(values: Mapping[str, Any], heading: str) -> str:
    rows = "".join(
        f"<tr><td>{name.replace('_', ' ')}</td><td>{_shown(value)}</td></tr>" for name, value in values.items()
    )
    return f"<table><tr><th></th><th>{heading}</th></tr>{rows}</table>"


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """Keep rates as bars, lowest part first."""
    step = (_WIDTH - 2 * _EDGE) / len(rows)
    room = _HEIGHT - 2 * _EDGE
    bars = "".join(
        f'<rect x="{_EDGE + place * step + 2:.1f}" y="{_EDGE + room * (1 - row["keep_rate"]):.1f}" '
        f'width="{step - 4:.1f}" height="{room * row["keep_rate"]:.1f}" fill="#47a"/>'
        for place, row in enumerate(rows)
    )
    return _frame(bars, "tenths, lowest first", "keep rate")


def _line(rows: Sequence[Mapping[str, Any]], x: str, y: str, below: str, beside: str) -> str:
    wide, high = _WIDTH - 2 * _EDGE, _HEIGHT - 2 * _EDGE
    points = " ".join(f"{_EDGE + wide * row[x]:.1f},{_EDGE + high * (1 - row[y]):.1f}" for row in rows)
    return _frame(f'<polyline points="{points}" fill="none" stroke="#47a" stroke-width="2"/>', below, beside)


def _frame(drawn: str, below: str, beside: str) -> str:
    bottom, right = _HEIGHT - _EDGE, _WIDTH - _EDGE
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">'
        f'<path d="M{_EDGE} {_EDGE}V{bottom}H{right}" fill="none" stroke="#999"/>{drawn}'
        f'<text x="{_EDGE}" y="{_EDGE - 10}" font-size="12">{beside}, 0 to 1</text>'
        f'<text x="{right}" y="{_HEIGHT - 10}" font-size="12" text-anchor="end">{below}</text></svg>'
    )
