"""The select gate: equal to the base as it starts open, its formula, and what is returned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from rounding.comparing import assert_equal_but_for_ties
from rounding.layout import lay_out_anew
from select_families import EXPERTS, FAMILIES, GATES, MIXTRAL, OLMOE, QWEN3_MOE, Family, gates_of, padded, ran, score

from generated import register_gates
from transformers import AutoConfig, AutoModelForCausalLM


@pytest.fixture(params=FAMILIES, ids=str)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.mark.parametrize("mode", ["zero", "noise"])
def test_open_equals_the_base_bit_for_bit(family: Family, mode: str) -> None:
    for attention in family.attentions:
        base, gated = family.pair(attention=attention, own={"trash_expert_mode": mode})
        with torch.no_grad():
            assert torch.equal(gated(**padded()).logits, base(**padded()).logits)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_open_equals_the_base_in_short_types(family: Family, dtype: torch.dtype) -> None:
    base, gated = (each.to(dtype) for each in family.pair())
    with torch.no_grad():
        assert torch.equal(gated(**padded()).logits, base(**padded()).logits)


def test_heads_equal_those_of_the_base(family: Family) -> None:
    for head in family.heads:
        base, gated = family.pair(head)
        with torch.no_grad():
            expected, actual = base(**padded()), gated(**padded())
        names = [name for name, each in expected.items() if isinstance(each, torch.Tensor)]
        assert names and all(torch.equal(actual[name], expected[name]) for name in names)
        assert len(actual.quality_logits) == GATES


def test_the_output_is_mixed_by_the_good_ratio(family: Family) -> None:
    """Worked out by hand from what the first gated layer computes."""
    model = family.gated(quality_gate_init_std=0.5)
    outputs, seen = ran(model)
    [weight, *_] = (gate.gate.weight for gate in gates_of(model))
    ratio = 1 / (1 + (-(seen["normed"] @ weight.T)).exp())
    torch.testing.assert_close(seen["out"], seen["residual"] + ratio * seen["experts"], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(outputs.quality_logits[0].sigmoid(), ratio)
    assert ratio.std() > 0.01


def test_a_shut_gate_without_trash_skips_the_experts(family: Family) -> None:
    model = family.gated()
    score(model, -1e4)
    _, seen = ran(model)
    assert torch.equal(seen["out"], seen["residual"]) and seen["experts"].any()


def test_an_open_gate_is_the_base(family: Family) -> None:
    base, gated = family.pair(own={"select_gate_init": "normal", "trash_expert_mode": "noise"})
    score(gated, 1e4)
    with torch.no_grad():
        assert torch.equal(gated(**padded()).logits, base(**padded()).logits)


def test_open_ratios_stay_up_to_one_and_can_close() -> None:
    gate = OLMOE.gated(select_gate_init="open").get_submodule("model.layers.0.select_gate")
    hidden = torch.tensor([-2.0, 0.0, 3.0])[:, None] * torch.ones(3, 32)
    with torch.no_grad():
        gate.gate.weight.fill_(1 / 32)
    scores, ratios, _ = gate(hidden)
    expected = (2 * scores.sigmoid()).clamp(max=1)
    assert torch.equal(ratios, expected) and ratios[1:].eq(1).all() and ratios[0] < 0.3
    [gradient] = torch.autograd.grad(ratios.sum(), scores)
    assert bool((gradient > 0).all())  # also where it is wholly open


def test_scores_and_routers_logits_are_returned(family: Family) -> None:
    model = family.gated()
    inputs = padded()
    batch, length = inputs["input_ids"].shape
    with torch.no_grad():
        usual = model(**inputs)  # the configuration's default
        silent = model(**inputs, output_router_logits=False)
        inner = model.model(**inputs)
        as_tuple = model(**inputs, return_dict=False)
    for outputs in (usual, inner):
        assert [each.shape for each in outputs.quality_logits] == [(batch, length, 1)] * GATES
        assert [set(each) for each in outputs.router_logits] == [{"quality_score", "moe_logits"}] * GATES
        for own, both in zip(outputs.quality_logits, outputs.router_logits):
            assert both["quality_score"] is own and both["moe_logits"].shape == (batch * length, EXPERTS)
    assert silent.quality_logits is silent.router_logits is silent.quality_loss is silent.aux_loss is None
    assert torch.equal(silent.logits, usual.logits)
    assert isinstance(as_tuple, tuple) and torch.equal(as_tuple[0], usual.logits)
    assert usual.aux_loss is None and usual.quality_loss is not None
    with torch.no_grad():
        assert model(**inputs, output_router_logits=True).aux_loss is not None
    model.config.output_router_logits = False
    with torch.no_grad():
        assert model(**inputs).quality_logits is None
        assert len(model(**inputs, output_router_logits=True).quality_logits) == GATES
        assert len(model.train()(**inputs).quality_logits) == GATES


def test_routers_logits_are_those_of_the_base(family: Family) -> None:
    base, gated = family.pair()
    with torch.no_grad():
        expected = base(**padded(), output_router_logits=True).router_logits
        actual = gated(**padded()).router_logits
    assert all(torch.equal(own["moe_logits"], theirs) for own, theirs in zip(actual, expected, strict=True))


def test_layers_without_experts_have_no_gate() -> None:
    model = QWEN3_MOE.gated()
    assert [layer.select_gate is not None for layer in model.model.layers] == [True, False, True]
    assert len(model(**padded()).router_logits) == GATES


def test_steps_with_a_cache_have_the_scores_of_their_tokens(family: Family) -> None:
    model = family.gated()
    ids = padded(padding=0)["input_ids"]
    with torch.no_grad():
        whole = model(ids)
        first = model(ids[:, :6], use_cache=True)
        step = model(ids[:, 6:], use_cache=True, **{family.cache: first[family.cache]})
    torch.testing.assert_close(step.logits, whole.logits[:, 6:], atol=1e-5, rtol=1e-4)
    for one, other in zip(step.quality_logits, whole.quality_logits):
        torch.testing.assert_close(one, other[:, 6:], atol=1e-5, rtol=1e-4)
    assert step.quality_loss is None and step.aux_loss is None


def test_generation_is_that_of_the_base_and_of_no_cache(family: Family) -> None:
    base, gated = family.pair(own={"enable_load_balancing": True})
    greedy = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    assert torch.equal(gated.generate(**padded(), **greedy), base.generate(**padded(), **greedy))
    own = family.gated()
    whole = own.generate(**padded(), **greedy, use_cache=False, return_dict_in_generate=True, output_logits=True)
    assert_equal_but_for_ties(own.generate(**padded(), **greedy), whole, own.config.hidden_size)


def test_padding_changes_no_score_of_a_text(family: Family) -> None:
    model, inputs = family.gated(), padded()
    with torch.no_grad():
        together = model(**inputs)
        alone = model(inputs["input_ids"][1:, 3:])
    for one, other in zip(together.quality_logits, alone.quality_logits):
        torch.testing.assert_close(one[1:, 3:], other, atol=1e-5, rtol=1e-4)


def test_gates_start_as_the_config_says(family: Family, tmp_path: Path) -> None:
    drawn = family.gated(hidden_size=1024, quality_gate_init_mean=2.0, quality_gate_init_std=0.1)
    for gate in gates_of(drawn):
        assert gate.gate.weight.shape == (1, 1024) and gate.gate.weight.dtype == torch.float32
        assert abs(gate.gate.weight.mean() - 2) < 0.05 and abs(gate.gate.weight.std() - 0.1) < 0.02
    assert not any(gate.gate.weight.any() for gate in gates_of(family.gated(select_gate_init="open")))
    base, _ = family.pair()
    base.save_pretrained(tmp_path)
    config = family.gated_class("Config").from_pretrained(tmp_path, quality_gate_init_mean=5.0)
    loaded = family.gated_class("ForCausalLM").from_pretrained(tmp_path, config=config)
    assert all(abs(gate.gate.weight.mean() - 5) < 0.1 for gate in gates_of(loaded))


def test_gates_stay_in_float32(family: Family, tmp_path: Path) -> None:
    family.gated().to(torch.bfloat16).save_pretrained(tmp_path)
    model = family.gated_class("ForCausalLM").from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {gate.gate.weight.dtype for gate in gates_of(model)} == {torch.float32}
    assert model(**padded()).logits.dtype == torch.bfloat16


def test_a_checkpoint_of_the_base_loads_as_the_base(family: Family, tmp_path: Path) -> None:
    base, _ = family.pair()
    base.save_pretrained(tmp_path)
    config = family.gated_class("Config").from_pretrained(tmp_path, select_gate_init="open")
    gated = family.gated_class("ForCausalLM").from_pretrained(tmp_path, config=config, attn_implementation="eager")
    gated, base = lay_out_anew(gated.eval()), lay_out_anew(base)  # what is loaded lies where its file puts it
    with torch.no_grad():
        assert torch.equal(gated(**padded()).logits, base(**padded()).logits)


def test_auto_classes_load_what_was_saved(family: Family, tmp_path: Path) -> None:
    model = family.gated()
    model.save_pretrained(tmp_path)
    assert f"select_gate_{family.name}" in " ".join(register_gates())
    assert type(AutoConfig.from_pretrained(tmp_path)) is type(model.config)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    assert type(again) is type(model)
    again, model = lay_out_anew(again), lay_out_anew(model)
    with torch.no_grad():
        assert torch.equal(again(**padded()).logits, model(**padded()).logits)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("select_gate_init", "shut", "one of normal, open"),
        ("trash_expert_mode", "waste", "one of zero, noise, custom"),
        ("quality_loss_type", "bce", "one of sigmoid, linear, mse, beta_moment_matching"),
        ("quality_gate_init_std", -0.1, "a number from 0 to inf"),
        ("quality_gate_init_mean", float("inf"), "a number from -inf to inf"),
        ("quality_loss_weight", -1, "a number from 0 to inf"),
        ("router_aux_loss_coef", float("nan"), "a number from 0 to inf"),
        ("beta_target_mean", 1.5, "a number from 0 to 1"),
        ("beta_target_var", 0.3, r"a number from 0 to 0\.25"),
        ("w_mean", -1.0, "a number from 0 to inf"),
        ("w_var", -1.0, "a number from 0 to inf"),
        ("lambda_var", -1.0, "a number from 0 to inf"),
    ],
)
def test_fields_out_of_range_are_named(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"`{field}` is {value!r}, but must be {allowed}"):
        MIXTRAL.config(**{field: value})
    model = MIXTRAL.gated()
    setattr(model.config, field, value)
    with pytest.raises(ValueError, match=f"`{field}` is {value!r}"):
        type(model)(model.config)


def test_a_checkpoint_of_another_kind_is_refused_by_name(family: Family) -> None:
    with pytest.raises(ValueError, match=f"checkpoint of `quality_gate_{family.name}`"):
        family.config(model_type=f"quality_gate_{family.name}")


def test_gates_are_whole_on_every_device(family: Family) -> None:
    assert family.gated().tp_plan["model.layers.*.select_gate.gate"] == "replicate"
