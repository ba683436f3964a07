"""An export parses each text once, however many rooms read it."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any

import pytest
from exported_llama import setting
from pull_request.base_source import installed_tree
from pull_request.body import Evidence, render_body
from pull_request.exports import bundle
from pull_request.project import find_models
from syntax import trees


def test_an_export_and_its_body_parse_as_often_as_there_are_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: Counter[object] = Counter()
    parse = ast.parse

    def counted(source: Any, *rest: Any, **named: Any) -> Any:
        parsed[(source, rest, tuple(named.items()))] += 1
        return parse(source, *rest, **named)

    monkeypatch.setattr(trees, "_TREES", trees._Trees(trees._KEPT))  # nothing is kept from other tests
    monkeypatch.setattr(ast, "parse", counted)
    tree = installed_tree()
    found = bundle(find_models(["llama"]), ["quality_gate_llama"], tree, setting())
    render_body(found.exports, tree.with_changes(found.texts), Evidence(), found.already)
    assert len(parsed) > 30 and parsed.total() == len(parsed), [
        (count, str(key)[:80]) for key, count in parsed.most_common(5) if count > 1
    ]
