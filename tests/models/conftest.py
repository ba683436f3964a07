"""Tests rendered from templates/tests/ find what they share, `support`, in this folder.

Of the many architectures, those of the four published families are always tested in full. Of the others a run of everything
takes the tests that are marked fast, unless QUALITY_GATE_TESTS=all asks for more (`make test-all`); a suite that is named on
the command line runs whole.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from testgen.collection import Row, collect


IN_FULL = {f"quality_gate_{name}" for name in ("llama", "qwen3", "gemma3", "gpt_oss")}
HERE = Path(__file__).parent
COLLECTED = pytest.StashKey[dict[str, list[Row]]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this run is not about."""
    if os.environ.get("QUALITY_GATE_TESTS") == "all" or any("quality_gate_" in argument for argument in config.args):
        return
    left_out = [item for item in items if _is_extra(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _is_extra(item)]


def _is_extra(item: pytest.Item) -> bool:
    is_ours = HERE in item.path.parents and item.path.parent.name.startswith("quality_gate_")
    return is_ours and item.path.parent.name not in IN_FULL and item.get_closest_marker("fast") is None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep what is in each suite, before anything is left out of it."""
    _, _, test = item.nodeid.partition("::")
    reasons = [mark.kwargs.get("reason", "") for mark in item.iter_markers("skip")]
    rows = item.config.stash.setdefault(COLLECTED, {}).setdefault(item.path.parent.name, [])
    rows.append(Row(item.path.parent.name, test, "collected", *reasons[:1]))


@pytest.fixture(scope="session")
def collected(pytestconfig: pytest.Config) -> dict[str, list[Row]]:
    """The tests of every suite: as this run collected them, where it collected whole folders, else collected again."""
    suites = sorted(path.parent for path in HERE.glob("*_gate_*/test_*.py"))
    rows = pytestconfig.stash.get(COLLECTED, {})
    if any("::" in argument for argument in pytestconfig.args) or any(suite.name not in rows for suite in suites):
        rows = {}
        for row in collect(suites):
            rows.setdefault(row.suite, []).append(row)
    return {suite.name: rows.get(suite.name, []) for suite in suites}
