"""A `main` that is newer than the newest release: forwards of a base with another argument and other decorators."""

from __future__ import annotations

import ast

import pytest
from exported_llama import exported_tree, setting
from pull_request.compose import compose
from pull_request.layout import MODELS, modeling_path, modular_path
from pull_request.project import find_models
from pull_request.values import Tree
from pull_request.verify import verify


NAME = "quality_gate_mistral"
BASE, SHARED = f"{MODELS}/mistral/modeling_mistral.py", "src/transformers/modeling_layers.py"
ARGUMENT = "token_weights: torch.Tensor | None = None"
DECORATORS = '@deprecate_kwarg("old_weights", version="5.40")', "@torch.compiler.disable"
CLASSES = ("MistralDecoderLayer", "MistralModel", "MistralForCausalLM", "GenericForTokenClassification")


def grown(text: str) -> str:
    """A module whose forwards take one more argument, which every call hands on as a keyword, below two more decorators."""
    for name in CLASSES:
        tree = ast.parse(text)
        owner = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
        if owner is None:
            continue
        forward = next(each for each in owner.body if isinstance(each, ast.FunctionDef) and each.name == "forward")
        lines = text.split("\n")
        rest = next(n for n in range(forward.lineno - 1, forward.body[0].lineno) if lines[n].lstrip().startswith("**"))
        lines.insert(rest, f"        {ARGUMENT},")
        first = min([forward.lineno, *(each.lineno for each in forward.decorator_list)]) - 1
        lines[first:first] = [f"    {each}" for each in DECORATORS]
        text = "\n".join(lines)
    return text.replace("import torch\n", "import torch\n\nfrom ...utils.deprecation import deprecate_kwarg\n", 1)


def newer() -> Tree:
    tree = exported_tree()
    texts = {path: tree.read(path) or "" for path in (BASE, SHARED)}
    changes = {BASE: grown(texts[BASE])}
    changes[SHARED] = grown(texts[SHARED]).replace("from ...utils.deprecation", "from .utils.deprecation")
    known = "class ModelArgs:\n"
    path = "src/transformers/utils/auto_docstring.py"
    said = f'{known}    token_weights = {{"description": "Weights.", "shape": None}}\n\n'
    return tree.with_changes({**changes, path: (tree.read(path) or "").replace(known, said, 1)})


def forward_of(text: str, name: str) -> ast.FunctionDef:
    owner = next(node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == name)
    return next(each for each in owner.body if isinstance(each, ast.FunctionDef) and each.name == "forward")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return dict(compose(find_models(["mistral"])[-1], newer(), setting()).texts)


@pytest.mark.parametrize("name", ["DecoderLayer", "Model", "ForCausalLM"])
def test_an_argument_and_a_decorator_come_along(made: dict[str, str], name: str) -> None:
    forward = forward_of(made[modeling_path(NAME)], f"QualityGateMistral{name}")
    assert "token_weights" in [each.arg for each in forward.args.args]
    decorators = [ast.unparse(each) for each in forward.decorator_list]
    for wanted in ("deprecate_kwarg('old_weights'", "torch.compiler.disable"):
        assert sum(each.startswith(wanted) for each in decorators) == 1, decorators


def test_what_the_gates_add_stays(made: dict[str, str]) -> None:
    modeling = made[modeling_path(NAME)]
    layer = forward_of(modeling, "QualityGateMistralDecoderLayer")
    assert "output_quality_logits" in [each.arg for each in layer.args.args] and "self.quality_gate(" in ast.unparse(
        layer
    )
    heads = ("Model", "ForCausalLM", "ForTokenClassification")
    for forward in (forward_of(modeling, f"QualityGateMistral{name}") for name in heads):
        assert any("returns_quality_scores" in ast.unparse(each) for each in forward.decorator_list)


def test_a_shared_head_hands_the_argument_on(made: dict[str, str]) -> None:
    forward = forward_of(made[modular_path(NAME)], "QualityGateMistralForTokenClassification")
    assert "token_weights" in [each.arg for each in forward.args.args]
    assert "token_weights=token_weights" in ast.unparse(forward)


def test_the_export_has_no_findings(made: dict[str, str]) -> None:
    assert [str(each) for each in verify([NAME], newer().with_changes(made), setting())] == []
