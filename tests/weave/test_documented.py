"""What the upstream form documents, notes and shows in examples."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from building.library import Library
from syntax.queries import exported
from weave.checkpoints import checkpoint_of, complete, named_checkpoint
from weave.docstrings import described
from weave.documented import base_fields, documented, entries, intro
from weave.form import Form
from weave.imports import relative_module
from weave.kinds import GateKind, read_kind
from weave.notes import noted


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def kind() -> GateKind:
    library = Library({"gates": ROOT / "modular" / "gates"})
    return read_kind("quality", library.load, form=Form.UPSTREAM)


def test_inputs_are_described_by_a_constant_outermost(kind: GateKind) -> None:
    decorators, said = documented(["returns(O)", "auto_docstring", "capture"], "", kind)
    assert decorators == [f"auto_docstring(custom_args={kind.gate.upstream.inputs})", "returns(O)", "capture"]
    assert said == ""


def test_what_the_base_says_in_its_decorator_stays(kind: GateKind) -> None:
    decorators, _ = documented(["returns(O)", "auto_docstring(custom_intro='It.')"], "", kind)
    assert decorators[0] == f"auto_docstring(custom_intro='It.', custom_args={kind.gate.upstream.inputs})"


def test_a_docstring_with_entries_holds_those_of_the_inputs(kind: GateKind) -> None:
    own = "labels (`int`):\n    Mine.\n\nReturns:\n    What."
    decorators, said = documented(["returns(O)"], own, kind)
    assert decorators == ["auto_docstring", "returns(O)"]
    names = [line.partition(" (")[0] for line in said.split("\n") if " (`" in line]
    assert names == ["labels", *entries(kind)] and said.endswith("\n\nReturns:\n    What.")


def test_what_transformers_describes_itself_is_not_described_again(kind: GateKind) -> None:
    own = "Args:\n    labels (`int`):\n        Mine.\n\nExample: it."
    decorators, said = documented(["auto_docstring"], own, kind, known={"labels"})
    assert decorators == [f"auto_docstring(custom_args={kind.gate.upstream.inputs})"] and said == "Example: it."
    more = "labels (`int`):\n    Mine.\n\n    Of two.\ntokens (`int`):\n    Known nowhere.\ninput_ids (`int`):\n    Known.\n\nExample: it."
    decorators, said = documented([], more, kind, known={"labels", "input_ids", "output_router_logits"})
    assert decorators == ["auto_docstring"]
    assert said.startswith("tokens (`int`):\n    Known nowhere.\nquality_targets (`") and said.endswith(
        "\n\nExample: it."
    )
    assert "output_router_logits (`" not in said and "Of two" not in said


def test_a_docstring_that_would_be_inherited_is_replaced(kind: GateKind) -> None:
    own = "input_ids (`int`):\n    Known."
    decorators, said = documented([], own, kind, known={"input_ids"}, replaces=True)
    assert decorators == ["auto_docstring"] and said.startswith("quality_targets (`")
    assert documented([], "", kind, known={"input_ids"}, replaces=True)[1] == ""


def test_a_forward_that_names_an_argument_of_the_gates_has_a_docstring(kind: GateKind) -> None:
    decorators, said = documented([], "", kind, asked=kind.gate.asks)
    names = [line.partition(" (")[0] for line in said.split("\n") if " (`" in line]
    assert decorators == ["auto_docstring"] and names == [*(each.name for each in kind.gate.asks), *entries(kind)]
    _, again = documented([], f"{kind.gate.asks[0].name} (`bool`):\n    Known.", kind, asked=kind.gate.asks)
    assert again.count(f"{kind.gate.asks[0].name} (`") == 1


def test_entries_below_a_heading_are_as_far_in() -> None:
    said = described("Args:\n    x (int):\n        Its.", "y (`int`):\n    Ours.")
    assert said == "Args:\n    x (int):\n        Its.\n    y (`int`):\n        Ours."


def test_fields_behind_the_gates_are_described_anew(kind: GateKind) -> None:
    said = base_fields("MoeCausalLMOutputWithPast", kind)
    assert said.startswith("loss (`torch.FloatTensor`") and kind.gate.upstream.loss in said and "\nlogits (" in said
    assert "logits" not in base_fields("QuestionAnsweringModelOutput", kind)
    assert base_fields("BaseModelOutputWithPast", kind) == ""


def test_an_introduction_is_an_argument() -> None:
    assert intro('What\n    "it" is.') == 'auto_docstring(custom_intro="What \\"it\\" is.")'
    assert intro(" ") == "auto_docstring"


BRANCHES = """\
class ToyConfig:
    loss_type: str = "linear"


def loss(config):
    if config.loss_type == "a":
        x = 1
    elif config.loss_type == "b":
        x = 2
    y = 1 if config.loss_type else 2
    if config.of_the_base:
        x = 3
    if config.loss_type == "c":
        raise ValueError
    # CODEPATH: said already
    if config.loss_type:
        x = 4
"""


def test_branches_on_fields_of_the_gates_are_noted_once() -> None:
    once = noted(BRANCHES, ast.parse(BRANCHES))
    assert once.count("# CODEPATH: `loss_type` is a training option") == 3
    assert noted(once, ast.parse(once)) == once
    compile(once, "noted", "exec")


def test_examples_run_from_their_first_line() -> None:
    example = "Example:\n\n```python\n>>> outputs = model(**inputs)\n```"
    whole = complete(example, "ToyForCausalLM", "a/toy")
    assert whole.startswith("Example:\n\n```python\n>>> import torch\n>>> from transformers import AutoTokenizer, Toy")
    assert whole.endswith('return_tensors="pt")\n>>> outputs = model(**inputs)\n```')
    assert complete(example, "ToyForCausalLM", "") == example and complete("", "Toy", "a/toy") == ""


def test_language_models_load_the_checkpoint_of_text() -> None:
    named = {"ToyConfig": "a/whole", "ToyTextConfig": "a/text"}
    assert checkpoint_of("ToyForCausalLM", named) == "a/text"
    assert checkpoint_of("ToyForCausalLM", named, "a/smaller") == "a/smaller"
    assert checkpoint_of("ToyForTokenClassification", named, "a/smaller") == "a/whole"
    assert checkpoint_of("ToyForCausalLM", {}) == ""


def test_a_checkpoint_is_that_of_the_decorator() -> None:
    text = '@strict\n@auto_docstring(checkpoint="a/b")\nclass A:\n    pass\n\n\n@auto_docstring\nclass B:\n    pass\n'
    found = [node.decorator_list for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert [named_checkpoint(each) for each in found] == ["a/b", ""]


@pytest.mark.parametrize(
    ("module", "relative"),
    [
        ("transformers", "..."),
        ("transformers.utils", "...utils"),
        ("transformers.utils.generic", "...utils.generic"),
        ("transformers.models.auto", "..auto"),
        ("transformers.models.llama.modeling_llama", "..llama.modeling_llama"),
        ("generated.some_gate_llama.modeling_some_gate_llama", "..some_gate_llama.modeling_some_gate_llama"),
        ("generated.some_gate_toy.configuration_some_gate_toy", ".configuration_some_gate_toy"),
    ],
)
def test_modules_are_named_from_the_folder_of_the_model(module: str, relative: str) -> None:
    assert relative_module(module, "some_gate_toy") == relative


def test_exported_names_keep_their_order() -> None:
    assert exported(ast.parse('__all__ = ["b", "a"]\nx = 1\n')) == ["b", "a"]
    assert exported(ast.parse("x = 1\n")) == []
