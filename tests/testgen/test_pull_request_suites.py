"""What a model's test file for transformers says of it: its classes, its sizes, its pipelines and its states."""

from __future__ import annotations

import re
from functools import cache

import pytest
from facts.project import GENERATED, facts_of
from facts.read import package_files
from testgen.pull_request import LAYERS, WINDOWS, suite_path, upstream_test


@cache
def written(model: str) -> str:
    facts = facts_of(model)
    return upstream_test(facts, package_files(GENERATED / facts.package), holder="Ada")


def test_a_plain_model_leaves_all_to_the_tester() -> None:
    """The tester finds classes by the name of the base model: a file names those alone that it would not find."""
    text = written("llama")
    assert "_class = QualityGateLlamaForCausalLM" not in text and "config_class" not in text
    assert "base_model_class = QualityGateLlamaModel" in text
    assert text.startswith("# Copyright 2022 Ada") or re.match(r"# Copyright \d{4} Ada", text)
    assert suite_path(facts_of("llama")) == "tests/models/quality_gate_llama/test_modeling_quality_gate_llama.py"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("gemma3", "causal_lm_class = QualityGateGemma3ForCausalLM"),
        ("bart", "config_class = QualityGateBartConfig"),
        ("clvp", "config_class = QualityGateClvpDecoderConfig"),
    ],
)
def test_classes_that_are_named_otherwise_are_said(model: str, said: str) -> None:
    assert said in written(model)


def test_a_size_that_is_left_to_the_modeling_file_is_given() -> None:
    """Mixtral's configuration has no head size until somebody asks for one, and does not work it out itself."""
    assert re.search(r"head_dim\b.*8", written("mixtral"))
    assert "head_dim" not in written("llama")  # whose configuration divides


@pytest.mark.parametrize("model", ["gemma3", "mistral", "bamba"])
def test_windows_stay_as_wide_as_the_configuration_says(model: str) -> None:
    assert not [name for name in WINDOWS if re.search(rf"\b{name} = ", written(model))]


def test_models_of_two_kinds_of_layers_have_one_of_each() -> None:
    kinds = re.search(r"layer_types.*?\[(.*?)\]", written("qwen3_next"), re.DOTALL)
    assert kinds and kinds[1].count('"') == 2 * LAYERS and len(set(re.findall(r'"(\w+)"', kinds[1]))) == LAYERS


def test_states_are_as_large_as_the_base_says() -> None:
    text = written("bamba")
    assert "config.mamba_n_heads, config.mamba_d_head, config.mamba_d_state" in text
    assert "mamba_d_head" not in written("llama")


def test_labels_of_pretraining_are_those_that_the_loss_asks_for() -> None:
    assert "next_sentence_label" in written("bert")
    assert "next_sentence_label" not in written("electra")  # which only tells drawn tokens from others
    assert "QualityGateElectraForPreTraining" in written("electra")


def test_what_transformers_does_not_export_is_imported_from_its_file() -> None:
    """Decoders of models that are exported as a whole."""
    inside = r"from transformers\.models\.bart\.modeling_bart import BartDecoder$"
    assert re.search(inside, written("bart"), re.M) and "QualityGateBartDecoder," in written("bart")
    assert "transformers.models." not in written("llama")


def test_a_configuration_without_a_checkpoint_is_refused() -> None:
    facts = facts_of("llama")
    files = package_files(GENERATED / facts.package)
    name = f"configuration_{facts.package}.py"
    without = {**files, name: re.sub(r'checkpoint="[^"]+"', "", files[name])}
    with pytest.raises(LookupError, match="names no checkpoint"):
        upstream_test(facts, without)


def test_sizes_of_single_layers_are_left_out_where_there_are_fewer() -> None:
    """dots.note 3 has windows from its third layer on; the tester has two layers."""
    text = written("dots3_note")
    assert "per_layer_config" not in text and re.search(
        r"layer_types = \W*indexed_attention\W+indexed_attention\W*$", text, re.M
    )
