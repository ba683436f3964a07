"""Exports into trees of releases before the installed one: whatever a base was there, the checks find nothing."""

from __future__ import annotations

from datetime import date

import pytest
from building.releases import find_release
from building.workspace import PROJECT
from pull_request.base_source import setting_for, tree_at
from pull_request.exports import bundle
from pull_request.project import find_models, wanted_names
from pull_request.verify import verify


@pytest.mark.parametrize("release", ["5.21.0", "5.23.0"])
def test_an_export_is_what_that_tree_takes(release: str) -> None:
    tree = tree_at(find_release(release))
    assert tree.release == release
    setting = setting_for(tree, date.today())
    found = bundle(find_models(["qwen3"]), wanted_names(["qwen3"], PROJECT), tree, setting)
    assert found.names == ["quality_gate_llama", "quality_gate_qwen3"]
    assert not [warning for export in found.exports for warning in export.warnings]
    assert not list(map(str, verify(found.names, tree.with_changes(found.texts), setting)))
    enables = "gradient" if release < "5.23" else "activation"  # renamed with 5.23
    suites = [text for path, text in found.texts.items() if path.rpartition("/")[2].startswith("test_modeling_")]
    assert len(suites) == 2 and all(f"model.{enables}_checkpointing_enable(" in text for text in suites)
