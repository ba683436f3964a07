"""The modular file of a pull request is woven from the bases of its repository, in few parses; nothing of home is in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from diagnostics.errors import ConversionError
from exported_llama import export, exported_tree, setting
from pull_request.base_source import installed_tree
from pull_request.compose import compose
from pull_request.gates import decorated, kind_of
from pull_request.layout import MODELS, configuration_path, modeling_path, modular_path
from pull_request.project import find_models
from pull_request.values import Model, Tree, base_in, kind_in
from pull_request.verify import verify
from pull_request.weaving import changed_parents, woven


ROOT = Path(__file__).parents[2]
NAME = "quality_gate_llama"
LAYER = f"{MODELS}/mistral/modeling_mistral.py"
PARSES = 120  # of a model that stands on a gated one, and takes classes over from it


def mistral() -> Model:
    return find_models(["mistral"])[-1]


def changed(path: str, old: str, new: str) -> Tree:
    tree = installed_tree()
    text = tree.read(path) or ""
    assert old in text
    return tree.with_changes({path: text.replace(old, new)})


def test_the_base_is_that_of_the_tree() -> None:
    tree = changed(LAYER, "# Fully Connected", "# All of them")
    text = woven(mistral(), tree, 2031)
    assert text.startswith(
        "# Copyright 2031 The Quality Gate team and the HuggingFace Inc. team. All rights reserved.\n"
    )
    assert "# All of them" in text and "# Fully Connected" not in text
    assert "from ..mistral.modeling_mistral import MistralDecoderLayer" in text


def test_a_place_that_the_tree_does_not_have_is_refused_at_its_line() -> None:
    with pytest.raises(ConversionError) as refusal:
        woven(mistral(), changed(LAYER, "self.mlp", "self.feed_forward"), 2031)
    (problem,) = refusal.value.diagnostics
    assert problem.code == "anchor-misfit" and problem.path == mistral().path and problem.line > 1


def test_a_modular_file_without_a_gate_has_no_such_form() -> None:
    model = Model("quality_gate_toy", "class QualityGateToyModel:\n    pass\n", "toy.py", ())
    with pytest.raises(ConversionError) as refusal:
        woven(model, installed_tree(), 2031)
    assert [each.code for each in refusal.value.diagnostics] == ["no-gate"]


def test_a_language_model_that_has_another_configuration_in_that_tree_is_refused() -> None:
    path = f"{MODELS}/csm/modeling_csm.py"
    tree = exported_tree()
    head, said, tail = (tree.read(path) or "").rpartition("    config: CsmDepthDecoderConfig\n")
    assert said, "before 5.22 it was left out, and the head took that of the whole model"
    with pytest.raises(ConversionError) as refusal:
        compose(find_models(["csm"])[-1], tree.with_changes({path: head + tail}), setting())
    (problem,) = refusal.value.diagnostics
    assert problem.code == "not-a-gated-model" and "QualityGateCsmDepthDecoderConfig" in problem.message


OWN = """

class QualityGateMistralRMSNorm(base.MistralRMSNorm):
    def extra_repr(self):
        return "mine"

    def forward(self, hidden_states):
        return super().forward(hidden_states)
"""


def test_a_method_that_the_delta_writes_whole_is_told_where_its_original_changed() -> None:
    model = mistral()
    model = Model(model.name, model.delta + OWN, model.path, model.parents)
    home = installed_tree()
    assert changed_parents(model, home, home) == []
    for new in ("def extra_repr(self, more=1):", "def extra_repr(self):\n        print()"):
        (told,) = changed_parents(model, changed(LAYER, "def extra_repr(self):", new), home)
        assert told.code == "parent-changed" and "`MistralRMSNorm.extra_repr`" in told.message
        assert model.delta.splitlines()[told.line - 1] == "    def extra_repr(self):"
    annotated = changed(LAYER, "def extra_repr(self):", "def extra_repr(self) -> str:\n        # why")
    assert changed_parents(model, annotated, home) == []


def test_one_export_parses_little(monkeypatch: pytest.MonkeyPatch) -> None:
    tree, model, real = exported_tree(), mistral(), ast.parse
    counted: list[str] = []

    def parse(source: str, *arguments: object, **keywords: object) -> ast.AST:
        counted.append(source)
        return real(source, *arguments, **keywords)  # type: ignore[call-overload]

    monkeypatch.setattr(ast, "parse", parse)
    made = compose(model, tree, setting())
    assert "QualityGateMistralForCausalLM" in made.files[modeling_path(model.name)]
    assert 10 < len(counted) <= PARSES, len(counted)


def test_models_bring_the_home_of_their_gate() -> None:
    assert [each.name for each in find_models(["mistral"])] == [NAME, "quality_gate_mistral"]
    assert [each.parents for each in find_models(["mistral"])] == [(), (NAME,)]


def test_the_kind_of_a_gate_is_in_the_name_of_a_model() -> None:
    assert (kind_in(NAME), base_in(NAME)) == ("quality", "llama")
    assert (kind_in("llama"), base_in("gate_llama")) == ("", "gate_llama")
    assert base_in("quality_gate_megatron-bert") == "megatron-bert"  # a model type
    assert decorated(kind_of(NAME)) == "returns_quality_scores" and kind_of(NAME).gate.prefix == "QualityGate"
    with pytest.raises(ConversionError) as refusal:
        kind_of("no_gate_llama")
    assert [each.code for each in refusal.value.diagnostics] == ["unknown-gate"]


def test_the_exported_llama_has_all_of_it() -> None:
    tree = exported_tree()
    modular, modeling = tree.read(modular_path(NAME)) or "", tree.read(modeling_path(NAME)) or ""
    everything = modular + modeling + (tree.read(configuration_path(NAME)) or "")
    for gone in ("save_quality_gates", "load_quality_gates", "safetensors", "print(", "debug", "scores_quality ="):
        assert gone not in everything, gone
    assert 'getattr(module, "scores_quality"' not in everything and "generated" not in modular
    assert modeling.count("    @auto_docstring(custom_args=QUALITY_GATE_INPUTS)\n") == len(export().facts.models)
    assert "isinstance(module, QualityGateLlamaGate)" in modeling and "forward = " not in modeling
    listed: Mapping[str, object] = dict.fromkeys(re.findall(r'^    "(\w+)",$', modular.split("__all__")[1], re.M))
    assert all(name.startswith("QualityGateLlama") for name in listed)


def test_rooms_ask_the_kind_of_gate_for_its_words() -> None:
    """All but one: `values` has the name of the team, and what branches are called after."""
    words = re.compile(
        r"quality_(gate|labels|loss|scores|logits)|QualityGate|QUALITY_GATE|scores_quality|quality gate"
    )
    for path in sorted((ROOT / "utils" / "upstream").rglob("*.py")):
        code = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(code) if isinstance(node, ast.Expr)}
        said = [each for each in ast.walk(code) if isinstance(each, ast.Constant) and id(each) not in docs]
        found = [each.value for each in said if isinstance(each.value, str) and words.search(each.value)]
        assert not found or path.name in ("values.py", "patch.py"), f"{path.name}: {found}"


def test_the_exported_gpt2_relies_on_nothing_that_is_lost_and_says_nothing_twice() -> None:
    [gpt2] = [each for each in find_models(["gpt2"]) if each.name == "quality_gate_gpt2"]
    made = compose(gpt2, exported_tree(), setting())
    modular, configuration = (made.files[path_of(gpt2.name)] for path_of in (modular_path, configuration_path))
    assert "summary_type = AttributeError()" in modular and "summary_" not in configuration
    assert "PreTrainedConfig.__post_init__(self, **kwargs)" in modular, "the base has no method of that name"
    assert "super().__post_init__(**kwargs)" in configuration
    assert not re.search(r"^ +(input_ids|labels|output_router_logits) \(`", modular.split("class ", 1)[1], re.M)
    tree = exported_tree().with_changes(made.texts)
    assert [str(each) for each in verify([gpt2.name], tree, setting())] == []


def test_a_method_that_the_base_lacks_is_called_by_its_class() -> None:
    """Where the repository's base has it, it is called as any method is."""
    [gemma3] = [each for each in find_models(["gemma3"]) if each.name == "quality_gate_gemma3"]

    def of_config(tree: Tree) -> str:
        return woven(gemma3, tree, 2026).split("class QualityGateGemma3Config(")[1].split("\nclass ")[0]

    assert "PreTrainedConfig.__post_init__(self, **kwargs)" in of_config(exported_tree())
    own = "    def __post_init__(self, **kwargs):\n        super().__post_init__(**kwargs)\n\n    sub_configs_defaults"
    with_own = changed(f"{MODELS}/gemma3/configuration_gemma3.py", "    sub_configs_defaults", own)
    assert "super().__post_init__(**kwargs)" in of_config(with_own)
