"""What transformers' own converter made of exported modular files, definition for definition.

`reference/` has modular files that an earlier exporter wrote, and the order of definitions in what that converter made of them.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from exported_llama import setting
from pull_request.base_source import installed_tree
from pull_request.conversion import generate
from pull_request.layout import modeling_path
from pull_request.values import Tree


REFERENCE = Path(__file__).with_name("reference")
MODELS = ("llama", "mistral", "qwen3")  # the others stand on the first


def read(kind: str, model: str) -> str:
    return (REFERENCE / f"{kind}_quality_gate_{model}.txt").read_text(encoding="utf-8")


@cache
def made(model: str) -> dict[str, str]:
    tree: Tree = installed_tree()
    if model != MODELS[0]:
        tree = tree.with_changes(made(MODELS[0]))
    return generate(f"quality_gate_{model}", read("modular", model), tree, setting(), strict=False)[0]


def definitions(text: str) -> list[str]:
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Assign)]
    return [ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else node.name for node in nodes]


@pytest.mark.parametrize("model", MODELS)
def test_definitions_stand_in_the_order_of_the_reference(model: str) -> None:
    found = definitions(made(model)[modeling_path(f"quality_gate_{model}")])
    assert found == read("order", model).split()
