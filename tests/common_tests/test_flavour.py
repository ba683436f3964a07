"""The test file of a pull request: what transformers' checkers and its reviewers look at."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from building.style import style
from building.tools import SHIPPED_CONFIG
from common_tests.workspace import _of_base
from facts import peculiar
from facts.entries import PeculiarError
from facts.peculiar import described_bases, peculiarities
from facts.project import GENERATED, facts_of, generated_models
from facts.read import package_files, read_facts
from facts.values import ModelFacts
from testgen.pull_request import suite_path, upstream_test


MODELS = ("gemma3", "gpt_oss", "llama", "qwen3")


def rendered(name: str) -> tuple[ModelFacts, str]:
    facts = facts_of(name)
    return facts, upstream_test(facts, package_files(GENERATED / facts.package))


@pytest.mark.parametrize("name", MODELS)
def test_the_form_that_checkers_read(name: str) -> None:
    facts, text = rendered(name)
    assert re.match(r"# Copyright 20\d\d .+\. All rights reserved\.\n#\n# Licensed under the Apache License", text)
    assert f'"""Testing suite for the PyTorch {facts.prefix} model."""' in text
    tested = re.findall(r"base_model_class\s+=\s+(\w+)", text)
    assert tested == [facts.text_model.name]
    tested += re.findall(r"\w+", " ".join(re.findall(r"all_model_classes\s+=\s+\(\s*\(([^\)]*)\)", text)))
    prefix = facts.text_model.name.removesuffix("Model")
    for model in facts.models:  # named, or found by transformers' tester under the usual name
        assert model.name in tested or model.name == prefix + model.role or f" = {model.name}\n" in text


@pytest.mark.parametrize("name", MODELS)
def test_python_in_transformers_own_style(name: str) -> None:
    facts, text = rendered(name)
    path = suite_path(facts)
    styled = style({path: text}, SHIPPED_CONFIG)
    assert styled.texts == {path: text} and not styled.findings
    assert rendered(name)[1] == text
    local = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.level}
    assert "causal_lm_tester" in local
    assert not re.search(r"generated|modular|TODO", text)


def test_no_architecture_needs_a_template_of_its_own() -> None:
    for name in generated_models()[::8]:
        facts, text = rendered(name)
        compile(text, suite_path(facts), "exec")
        assert re.search(rf"base_model_class = {facts.text_model.name}\n", text), name


def test_what_a_gate_has_to_show() -> None:
    _, text = rendered("gemma3")
    methods = (
        "test_gates_are_initialized",
        "test_outputs_equal_the_base_and_only_gates_are_missing",
        "test_quality_loss",
        "test_unknown_quality_loss_type",
        "test_every_gate_gets_a_gradient",
    )
    for method in methods:  # for the text models and for those that take images
        assert text.count(f"def {method}(") == 2, method
    assert '("samples", True), ("tokens", False)' in text and "# padded on the left" in text
    assert '("without_checkpointing", False), ("with_checkpointing", True)' in text


def test_the_slow_test_waits_for_a_gpu_and_none_waits_for_what_is_not_there() -> None:
    _, text = rendered("qwen3")
    assert "@slow\n@require_torch_accelerator\nclass QualityGateQwen3IntegrationTest(unittest.TestCase):" in text
    assert 'base_checkpoint = "Qwen/Qwen3-1.7B"' in text
    integration = text[text.index("class QualityGateQwen3IntegrationTest") :]
    assert re.findall(r"def (test_\w+)", integration) == ["test_logits_equal_the_base"]
    assert "skipTest" not in integration and "Expectations" not in text


def test_a_model_of_experts_says_which_plan_it_has() -> None:
    assert "def test_moe_parallel_plans_shard_experts" in rendered("gpt_oss")[1]
    assert "def test_moe_parallel_plans_shard_experts" not in rendered("llama")[1]


def test_what_transformers_exports_as_part_of_a_whole_comes_from_its_file() -> None:
    text = rendered("bart")[1]
    assert "    from transformers.models.bart.modeling_bart import BartDecoder\n" in text
    exported = re.search(r"from transformers import \(\n( +AutoTokenizer.*?)\n +\)", text, re.DOTALL)[1].split()
    assert "BartDecoder," not in exported and "QualityGateBartDecoder," in exported
    of_base = _of_base(text, facts_of("bart"))
    compile(of_base, "test", "exec")
    assert of_base.count(" BartDecoder\n") == 2 and "BartDecoder,\n" not in of_base, "imported once, tested once"


def test_gates_are_counted_where_not_every_layer_has_one() -> None:
    assert "self.assertEqual(len(weights), config.num_hidden_layers)" in rendered("llama")[1]
    text = rendered("nemotron_h")[1]
    assert "self.assertIn(len(weights), range(1, config.num_hidden_layers + 1))" in text
    assert "self.assertEqual(len(scores), len(self._gates(model)))" in text


def test_checkpointing_is_tested_where_layers_have_it() -> None:
    for name, has in (("llama", True), ("jetmoe", False), ("clvp", False)):
        text = rendered(name)[1]
        assert ("use_reentrant_true" in text, '("with_checkpointing", True)' in text) == (has, has), name


def test_what_a_base_is_excepted_from_its_gated_model_is_too() -> None:
    exempt = [(name, test) for name in described_bases() for test in peculiarities(name).upstream_skip]
    for name, test in exempt:
        text = rendered(name)[1]
        assert re.search(rf'@unittest\.skip\(\s*reason="The base.+"\s*\)\n    def {test}\(self\)', text), (name, test)
    assert ("clvp", "test_gradient_checkpointing_enable_disable") in exempt


def test_a_test_file_follows_what_is_peculiar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peculiar, "FOLDER", tmp_path)
    why = 'why = "it is like that"\n'
    (tmp_path / "llama.toml").write_text(
        f"[[pull_request.tiny]]\n{why}fields.num_hidden_layers = 3\n[[pull_request.training]]\n{why}steps = 900\n"
        f'[[pull_request.skip]]\n{why}tests = ["test_it"]\n'
        f"[[pull_request.exported]]\n{why}classes.LlamaModel = false\n"
    )
    _, text = rendered("llama")
    assert "        self.num_hidden_layers = 3\n" in text and "    training_overfit_steps = 900  #" in text
    assert '    @unittest.skip(reason="it is like that")\n    def test_it(self):' in text
    assert "from transformers.models.llama.modeling_llama import LlamaModel\n" in text
    for section, entry in (("tiny", "fields.hiden_size = 3"), ("exported", "classes.LlamaModell = true")):
        (tmp_path / "llama.toml").write_text(f"[[pull_request.{section}]]\n{why}{entry}\n")
        with pytest.raises(PeculiarError, match="llama.toml:3:.*: stale-peculiarity: .*\n.*did you mean `"):
            rendered("llama")


def test_a_configuration_without_a_checkpoint_is_refused() -> None:
    facts = facts_of("llama")
    files = package_files(GENERATED / facts.package)
    name = f"configuration_{facts.package}.py"
    files[name] = files[name].replace("checkpoint=", "point=")
    with pytest.raises(LookupError, match="names no checkpoint"):
        upstream_test(read_facts("llama", files), files)


def test_sizes_that_transformers_tester_leaves_out() -> None:
    assert "def __init__(self, parent)" not in rendered("llama")[1]  # it says all
    _, text = rendered("mixtral")
    assert "self.head_dim = 8\n" in text and "self.num_experts_per_tok" not in text
    _, text = rendered("gpt_bigcode")  # under other names, and as many as the tester says
    assert "self.n_layer = 2\n" in text and "self.n_head = 2\n" in text and "self.n_embd = 32\n" in text
    _, text = rendered("qwen3_next")  # one layer of each kind
    assert 'self.layer_types = ["linear_attention", "full_attention"]\n' in text


@pytest.mark.parametrize("name", ["cohere2", "gemma3", "gpt_oss", "mistral", "qwen3"])
def test_windows_stay_wider_than_the_texts(name: str) -> None:
    facts, text = rendered(name)
    assert "sliding_window" in facts.text_config.fields
    assert not re.search(r"self\.(use_)?(sliding_window|max_window)", text), "caches are asked for all of a text"


def test_states_of_linear_attention_have_the_sizes_that_are_told() -> None:
    _, text = rendered("zamba2")
    assert "def _get_conv_state_shape(self, batch_size, config):" in text
    assert "return (batch_size, config.n_mamba_heads, config.mamba_headdim, config.mamba_d_state)" in text
    assert "_state_shape" not in rendered("llama")[1]


def test_states_of_no_kind_and_sizes_that_are_no_code_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peculiar, "FOLDER", tmp_path)
    for entry, code in (('fields.convs = ["4"]', "stale-peculiarity"), ('fields.conv = ["f(x)"]', "bad-peculiarity")):
        (tmp_path / "llama.toml").write_text(f'[[pull_request.states]]\nwhy = "it is like that"\n{entry}\n')
        with pytest.raises(PeculiarError, match=rf"llama.toml:3:.*: {code}: "):
            rendered("llama")


def test_heads_that_transformers_tester_does_not_find_are_named() -> None:
    facts, text = rendered("bert")
    listed = re.search(r"all_model_classes = \(\s*\(([^)]*)\)", text)
    assert listed is not None
    assert sorted(re.findall(r"\w+", listed[1])) == sorted(each.name for each in facts.text_models)
    assert (
        '"fill-mask": QualityGateBertForMaskedLM,' in text and '"text-generation": QualityGateBertForCausalLM,' in text
    )
    assert "if return_labels and model_class is QualityGateBertForPreTraining:" in text
    assert 'inputs_dict["next_sentence_label"] = torch.zeros(batch_size, ' in text
    assert 'inputs_dict["labels_input_ids"] = torch.zeros(' in rendered("roc_bert")[1]
    assert (
        "all_model_classes = " not in rendered("llama")[1] and "_prepare_for_class(self" not in rendered("roberta")[1]
    )
    imported = re.search(r"from transformers import \(\n( +AutoTokenizer.*?)\n +\)", text, re.DOTALL)
    assert imported is not None and set(re.findall(r"\w+", listed[1])) <= set(re.findall(r"\w+", imported[1]))


def test_encoders_that_decode_are_trained_and_asked_as_their_bases_are() -> None:
    facts, text = rendered("bert")
    assert "        self.tie_word_embeddings = True\n" in text, (
        "two biases of its heads are one where embeddings are tied"
    )
    assert re.search(r"@unittest\.skip\([^)]*three\"\s*\)\n    def test_question_answering_model\(self\)", text)
    files = package_files(GENERATED / facts.package)
    name = f"modeling_{facts.package}.py"
    one = files[name].replace('"cls.predictions.decoder.bias": "cls.predictions.bias",', "")
    two = one.replace("nn.Linear(config.hidden_size, config.num_labels)", "nn.Linear(config.hidden_size, 2)")
    other = upstream_test(facts, {**files, name: two})
    assert files[name] != one != two and "tie_word_embeddings" not in other
    assert "test_question_answering_model" not in other
    for other in ("llama", "gpt2"):
        assert not re.search("tie_word_embeddings|def test_question_answering_model", rendered(other)[1]), other
