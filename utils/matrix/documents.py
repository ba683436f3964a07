"""What the command answers programs: the verdict on each architecture, and how many there are of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from building.tools import version
from naming.kinds import MEANT, GateNames

from matrix.kinds import Row as KindRow
from matrix.kinds import count as count_of_kind
from matrix.page import count, count_common
from matrix.values import Common, Row, Tally


def document_of(rows: Sequence[Row], common: Mapping[str, Common], why_not: str, page: str = "") -> dict[str, Any]:
    """All that the table has, and where it was written.

    Args:
        rows: one for each architecture.
        common: what transformers' common tests said, of each architecture that they were run on.
        why_not: why they were not run, where they were not.
        page: the file of the table; "" where none was written.
    """
    ran = {"common": dict(count_common(rows, common))} if common else {"common": None, "why_no_common": why_not}
    models = [
        {
            "base": row.name,
            "verdict": row.state.value,
            "reason": row.reason,
            "places": row.places,
            "layers": row.tests.layers,
            "parameters": row.tests.parameters,
            "tests": _counted(row.tests) | {"subset": row.tests.subset},
            "common": _common(common.get(row.name)),
        }
        for row in rows
    ]
    return _whole(MEANT, models, count(rows), page) | ran


def document_of_kind(rows: Sequence[KindRow], names: GateNames, page: str = "") -> dict[str, Any]:
    """The same of another kind of gate, whose models are proven and have no tests here."""
    models = [{"base": row.name, "verdict": row.verdict, "where": row.where, "why": row.why} for row in rows]
    return _whole(names, models, count_of_kind(rows), page)


def _whole(names: GateNames, models: Sequence[Any], counts: Mapping[str, int], page: str) -> dict[str, Any]:
    versions = {"transformers": version("transformers"), "torch": version("torch")}
    return {"gate": names.kind, **versions, "models": models, "counts": dict(counts), "page": page}


def _counted(tests: Tally | Common) -> dict[str, Any]:
    failures = [{"test": name, "said": said} for name, said in tests.failures]
    return {"passed": tests.passed, "failed": len(failures), "skipped": tests.skipped, "failures": failures}


def _common(tests: Common | None) -> dict[str, Any] | None:
    """None where they were not run."""
    return _counted(tests) | {"inherited": [name for name, _ in tests.inherited]} if tests else None
