"""What a kind of gate says in each role of a model, named as the model is."""

from __future__ import annotations

from dataclasses import replace

from toy_deltas import base, view, written
from weave.configs import Config, read_config
from weave.names import names_of
from weave.roles import Roles
from weave.stack import read_stack


def roles(model: str = "quality_gate_toy") -> Roles:
    toy = base(model)
    return Roles(toy, names_of(toy, read_stack(toy)))


def config() -> Config:
    toy = base()
    stack = read_stack(toy)
    return read_config(toy, stack.config, stack.model)


def test_fields_and_their_docs_are_the_gate_s() -> None:
    found = roles().texts(config(), mixes=True)
    assert "    quality_loss_weight: float | int = 0.5" in found.fields
    assert found.field_docs.startswith("quality_gate_init_mean (`float`")
    assert found.post_init.index("super().__post_init__(") < found.post_init.index("check_quality_gate_config(self)")


def test_behind_a_return_nothing_is_added_so_all_goes_before() -> None:
    found = roles().texts(replace(config(), returns=True), mixes=True).post_init
    assert found.index("check_quality_gate_config(self)") < found.index("super().__post_init__(")
    compile(f"class A:\n{found}", "post_init", "exec")


def test_elsewhere_than_at_home_classes_are_made_from_those_there() -> None:
    found = roles().texts(config(), mixes=True)
    assert found.module_class == "class QualityGateToyGate(QualityGateLlamaGate):\n    pass"
    assert found.output_class == "class QualityGateToyOutput(QualityGateLlamaOutput):\n    pass"
    assert roles().texts(config(), mixes=False).output_class == ""


def test_at_home_they_are_written_whole() -> None:
    home = roles("quality_gate_llama")
    assert home.is_home
    found = home.texts(config(), mixes=True)
    assert "nn.Linear(config.hidden_size, 1, bias=False, dtype=torch.float32)" in found.module_class


def test_home_holds_what_its_roles_name_and_others_nothing() -> None:
    early, held, late = roles("quality_gate_llama").definitions("")
    assert any("def check_quality_gate_config" in each for each in early)
    assert any("def quality_classification_loss" in each for each in held)
    assert late == []
    assert roles().definitions("") == ([], [], [])


def test_what_only_some_models_need_these_hold() -> None:
    _, _, late = roles().definitions("@balances_whole_sequences\ndef forward(): ...\n")
    assert len(late) == 1 and late[0].startswith("def balances_whole_sequences(")


def test_lists_of_the_base_are_continued() -> None:
    toy = base()
    found = roles().pretrained(read_stack(toy).pretrained, None, False)
    assert found.lists[0].startswith('_keep_in_fp32_modules = ["quality_gate.gate"]')
    assert found.checks.startswith("check_quality_gate_config(config)\nself.quality_gate_fields = ")
    assert "PreTrainedModel._init_weights(self, module)" in found.methods


def test_a_list_that_the_base_has_goes_before_the_gate_s() -> None:
    name, old = "transformers.models.toy.modeling_toy", '    base_model_prefix = "model"\n'
    source = view().load(name)
    assert source is not None and old in source.text
    text = source.text.replace(old, f'{old}    _keep_in_fp32_modules = ["router"]\n')
    assert '_keep_in_fp32_modules = ["router", "quality_gate.gate"]' in written(modules={name: text})


def test_gates_hand_their_scores_on_without_a_hook_that_records_them() -> None:
    assert roles().recorded() == {}
