"""What the files of a model say of transformers' tester for language models, and where it is right as it is."""

from __future__ import annotations

import pytest
from facts.project import GENERATED, facts_of
from facts.read import package_files, read_facts
from testgen.pull_request import upstream_test
from testgen.tester_gaps import is_hybrid, records_routers, sizes_of_model, skips_of_model, states_of_model


DELTA_RULE = {
    *("linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim"),
    "linear_conv_kernel_dim",
}


def rendered(name: str, **changes: tuple[str, str]) -> str:
    """The test file of a model; `modeling=(old, new)` changes that file before."""
    facts = facts_of(name)
    files = package_files(GENERATED / facts.package)
    for kind, (old, new) in changes.items():
        file = f"{kind}_{facts.package}.py"
        assert old in files[file]
        files[file] = files[file].replace(old, new)
    return upstream_test(facts, files)


@pytest.mark.parametrize(
    "table", ['{"head.bias": "bias"}', '{"head.weight": "embed.weight"}', "None", '["head.bias"]']
)
def test_embeddings_are_tied_for_two_biases_of_a_head_alone(table: str) -> None:
    assert sizes_of_model(
        'class Head:\n    _tied_weights_keys = {\n        "a.bias":\n            "b.c.bias",\n    }\n', ""
    ) == {"tie_word_embeddings": True}
    assert sizes_of_model(f"class Head:\n    _tied_weights_keys = {table}\n", "") == {}
    assert sizes_of_model('NAMES = {"a.bias": "b.bias"}\n', "") == {}, "it ties nothing"


@pytest.mark.parametrize(
    "sizes", ["config.hidden_size, config.num_labels", "config.width,\n    out_features=config.num_labels"]
)
def test_a_head_with_an_output_for_each_label_is_not_asked_for_a_span(sizes: str) -> None:
    head = "class Answers:\n  def __init__(self):\n    self.qa_outputs = nn.Linear({})\n"
    assert list(skips_of_model(head.format(sizes), "")) == ["test_question_answering_model"]
    assert skips_of_model(head.format("config.num_labels, 2"), "") == {}


@pytest.mark.parametrize("annotation", ["bool", "bool | None"])
def test_a_decoder_alone_is_no_encoder_and_decoder(annotation: str) -> None:
    configuration = f"class C:\n    is_encoder_decoder: {annotation} = True\n"
    assert sizes_of_model("", configuration) == {"is_encoder_decoder": False}
    assert sizes_of_model("", configuration.replace("True", "False")) == {}
    assert sizes_of_model("", f'"""\n{configuration}"""\n') == {}, "it is only written about"


def test_what_reads_an_encoder_gets_no_gradient_without_one() -> None:
    always = "class Layer:\n    def __init__(self):\n        self.encoder_attn = Attention()\n"
    assert set(skips_of_model(always, "")) == {
        "test_training_gradient_checkpointing",
        "test_training_gradient_checkpointing_use_reentrant_false",
    }
    asked = always.replace("        self", "        if config.add_cross_attention:\n            self")
    assert skips_of_model(asked, "") == {}
    told = always.replace("class", "# by add_cross_attention\nclass")
    assert skips_of_model(told, "") == skips_of_model(always, ""), "a comment asks for nothing"


def test_attentions_of_hybrid_layers_are_not_counted() -> None:
    hybrid = 'layer_types = ["linear_attention", "full_attention"]'
    assert is_hybrid(hybrid) and list(skips_of_model("", hybrid)) == ["test_attention_outputs"]
    windows = hybrid.replace("linear", "sliding")
    assert not is_hybrid(windows) and skips_of_model("", windows) == {}


def test_states_of_the_delta_rule_follow_from_its_fields() -> None:
    states = states_of_model({*DELTA_RULE, "hidden_size"})
    assert set(states) == {"conv", "recurrent"} and states["conv"].endswith("config.linear_conv_kernel_dim")
    for name in DELTA_RULE:
        assert states_of_model(DELTA_RULE - {name}) == {}, name


@pytest.mark.parametrize("name", ["qwen3_next", "qwen3_5", "qwen4_exp"])
def test_models_of_the_delta_rule_tell_their_states(name: str) -> None:
    text = rendered(name)
    assert "def _get_conv_state_shape(self, batch_size, config):" in text
    assert "config.linear_num_value_heads, config.linear_key_head_dim, config.linear_value_head_dim)" in text
    assert "def test_attention_outputs(self):\n        pass" in text


def test_what_a_file_of_peculiarities_says_of_states_comes_first() -> None:
    text = rendered("zamba2")
    assert text.count("def _get_conv_state_shape") == 1 and "config.mamba_ngroups" in text


def test_a_loss_is_not_asked_for_logits_of_routers_that_record_none() -> None:
    asked, records = "labels=labels, output_router_logits=True)", '"router_logits":'
    text = rendered("granitemoehybrid")
    assert asked in text and "model.router_aux_loss_coef * outputs.aux_loss" in text
    silent = rendered("granitemoehybrid", modeling=(records, '"routers":'))
    assert "labels=labels)" in silent and asked not in silent.partition("def test_quality_loss")[2]
    assert "config.output_quality_logits = True" in silent.partition("def test_quality_loss")[2]
    assert "aux_loss" not in silent.partition("def test_quality_loss")[2].partition("    def ")[0]
    assert asked in rendered("llama"), "it has no routers"


def test_routers_that_the_configuration_asks_for_record_nothing_by_default() -> None:
    optional = "self.mlp = MLP(config) if not config.is_moe else Experts(config)\n"
    loss = "aux_loss = load_balancing_loss_func(outputs.router_logits)\n"
    recorded = loss + '_can_record_outputs = {"router_logits": OutputRecorder(Experts, index=1)}\n'
    off = "class C:\n    is_moe: bool = False\n"
    assert not records_routers(optional + recorded, off)
    assert records_routers(optional + recorded, off.replace("False", "True"))
    assert records_routers(recorded, off) and not records_routers(optional + loss, off)
    assert records_routers(optional, off), "it has no loss of them"
    wanted = "mlp = (\n    Experts(self.config) if self.config.is_moe else MLP(self.config)\n)\n"
    assert not records_routers(wanted + recorded, off) and records_routers(
        wanted + recorded, "class C:\n    is_moe = True\n"
    )
    assert not records_routers("from m import load_balancing_loss_func\n" + loss, off), "nothing records them"
    assert records_routers("# load_balancing_loss_func() is another's\n", off)


def test_configurations_inside_a_configuration_bring_only_what_they_take() -> None:
    text = rendered("dbrx")
    assert 'for name in ["attn_config", "ffn_config"]:' in text
    assert "values[name].pop(written, None)" in text and "values[name]" not in rendered("llama")


def test_a_model_whose_language_model_is_of_another_configuration_has_no_test_file() -> None:
    facts = facts_of("csm")
    files = package_files(GENERATED / facts.package)
    name = f"modeling_{facts.package}.py"
    head, own, tail = files[name].rpartition(f"    config: {facts.text_config.name}\n")
    files[name] = f"{head}    config: QualityGateCsmConfig\n{tail}"
    assert own
    with pytest.raises(LookupError, match="no language model of quality_gate_csm has its text model's configuration"):
        upstream_test(read_facts("csm", files), files)
