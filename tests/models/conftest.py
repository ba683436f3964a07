"""Tests rendered from templates/tests/ find what they share, `support`, in this folder.

Of the many architectures, those of the four published families are always tested in full. Of the others a run of everything
takes the tests that are marked fast, unless QUALITY_GATE_TESTS=all asks for more (`make test-all`); a suite that is named on
the command line runs whole.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


IN_FULL = {f"quality_gate_{name}" for name in ("llama", "qwen3", "gemma3", "gpt_oss")}
HERE = Path(__file__).parent


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
