"""The hand-written deltas come out of the scaffolder: what is generated from both is compared definition by definition."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from scaffold.delta import scaffold

from converter.casing import read_casing
from converter.convert import convert
from converter.library import Library
from converter.source import Source
from converter.style import style
from converter.tools import SHIPPED_CONFIG
from converter.values import Layout, Target
from converter.workspace import find_transformers, read_release


ROOT = Path(__file__).resolve().parents[2]
# What a person added: other checkpoints, checkpoints of the original project, and the image-text model of Gemma3.
BY_HAND = {
    "qwen3": {"QualityGateQwen3Config"},
    "gpt_oss": set(),
    "llama": {"QualityGateLlamaConfig"},
}
# The root of all deltas: it defines what theirs inherit, and a scaffold of it inherits from itself.
ROOTS = re.compile(r"QualityGateLlama(\w*Output\w*|Gate)")


@cache
def generated(name: str) -> dict[str, str]:
    """The definitions that the scaffold of a base is expanded to, by name, without comments and docstrings."""
    package = find_transformers()
    model = f"quality_gate_{name}"
    target = Target(model, Layout.PACKAGE, f"modular/modular_{model}.py", read_release(package), True)
    source = Source(f"modular_{model}.py", f"transformers.models.{model}.modular_{model}", scaffold(name).text)
    library = Library({"transformers": package, "generated": ROOT / "generated"})
    files = convert(source, target, library.load, read_casing(package)).files
    texts = style(dict(files), SHIPPED_CONFIG).texts
    return {each: text for name in sorted(texts) for each, text in definitions(texts[name]).items()}


def written(name: str) -> dict[str, str]:
    """The definitions in generated/, which come from the delta of the project."""
    folder = ROOT / "generated" / f"quality_gate_{name}"
    texts = [path.read_text() for path in sorted(folder.glob("*_quality_gate_*.py"))]
    return {each: found for text in texts for each, found in definitions(text).items()}


def definitions(text: str) -> dict[str, str]:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


@pytest.mark.parametrize("name", BY_HAND)
def test_scaffolds_give_what_was_written_by_hand(name: str) -> None:
    ours, theirs = written(name), generated(name)
    expected = {each for each in ours if not (name == "llama" and ROOTS.fullmatch(each))}
    assert expected <= set(theirs)
    assert {each for each in expected if ours[each] != theirs[each]} == BY_HAND[name]
    assert len(expected - BY_HAND[name]) >= 30


def test_the_text_model_of_gemma3_is_the_same_but_for_names_of_outputs() -> None:
    ours, theirs = written("gemma3"), generated("gemma3")

    def bare(text: str) -> str:
        text = re.sub(r"QualityGateGemma3(Text)?(?=\w*Output)", "", text)
        return re.sub(r"\) -> [^\n]*:\n", "):\n", text)  # the base's annotation of the layer was wrong

    for name in ("TextConfig", "Attention", "DecoderLayer", "TextModel", "ForCausalLM", "Gate"):
        assert bare(ours[f"QualityGateGemma3{name}"]) == bare(theirs[f"QualityGateGemma3{name}"]), name


@pytest.mark.parametrize("name", ["qwen3", "llama"])
def test_configurations_differ_in_what_a_person_knows(name: str) -> None:
    config = f"QualityGate{name.title()}Config"
    ours, theirs = written(name)[config].split("\n"), generated(name)[config].split("\n")
    different = [line.strip() for line in ours if line not in theirs]
    assert all("checkpoint=" in line or "quality_loss_type" in line for line in different), different
