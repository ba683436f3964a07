"""The attention gate: equal to the base as it starts, its formula, what it records, and published checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from attention_families import FAMILIES, Family, padded
from rounding.comparing import assert_equal_but_for_ties
from rounding.layout import lay_out_anew

from generated import register_gates
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel


MODES = ("headwise", "elementwise")


@pytest.fixture(params=FAMILIES, ids=str)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def gates_of(model: PreTrainedModel) -> list[Any]:
    return [each for name, each in model.named_modules() if name.endswith(".attention_gate")]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_identity_equals_the_base_bit_for_bit(family: Family, mode: str, attention: str) -> None:
    base, gated = family.pair(attention=attention if attention in family.attentions else "eager", mode=mode)
    inputs = padded(gated.config)
    with torch.no_grad():
        expected, actual = base(**inputs, use_cache=False), gated(**inputs, use_cache=False)
    assert torch.equal(actual.logits, expected.logits)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_identity_equals_the_base_in_short_types(family: Family, mode: str, dtype: torch.dtype) -> None:
    base, gated = (each.to(dtype) for each in family.pair(mode=mode))
    inputs = padded(gated.config)
    with torch.no_grad():
        assert torch.equal(gated(**inputs).logits, base(**inputs).logits)


def test_flex_attention_gates_what_eager_does(family: Family, mode: str) -> None:
    if "flex_attention" not in family.attentions:
        with pytest.raises(ValueError, match="Attention sinks cannot be run on CPU with flex attention"):
            family.gated(attention="flex_attention")(**padded(family.config()))
        return
    outputs = []
    for attention in ("eager", "flex_attention"):
        model = family.gated(attention=attention, attention_gate_mode=mode)
        with torch.no_grad():
            outputs.append(model(**padded(model.config, padding=0)).logits)
    torch.testing.assert_close(outputs[1], outputs[0], atol=2e-5, rtol=1e-4)


def test_soft_capped_scores_are_gated_alike(mode: str) -> None:
    family = next(each for each in FAMILIES if each.name == "gemma3")
    base, gated = family.pair(mode=mode, attn_logit_softcapping=2.0)
    with torch.no_grad():
        assert torch.equal(gated(**padded(gated.config)).logits, base(**padded(gated.config)).logits)


def test_each_head_is_multiplied_by_a_sigmoid_of_the_input(family: Family, mode: str) -> None:
    """Worked out by hand from what attention reads, gives its projection, and is given itself."""
    model = family.gated(attention_gate_mode=mode)
    owner = model.get_submodule("model.layers.1.self_attn")
    seen: dict[str, torch.Tensor] = {}
    owner.register_forward_pre_hook(
        lambda _, args, kwargs: seen.__setitem__("input", kwargs.get("hidden_states", *args)), with_kwargs=True
    )
    owner.attention_gate.register_forward_pre_hook(lambda _, args: seen.__setitem__("read", args[0]))
    owner.o_proj.register_forward_pre_hook(lambda _, args: seen.__setitem__("given", args[0]))
    with torch.no_grad():
        outputs = model(**padded(model.config), output_attention_gates=True)
    weight, heads = owner.attention_gate.gate.weight, model.config.num_attention_heads
    gates = 1 / (1 + (-(seen["input"] @ weight.T)).exp())
    channels = 1 if mode == "headwise" else model.config.head_dim
    gates = gates.view(*gates.shape[:2], heads, channels)
    expected = (seen["read"].view(*gates.shape[:3], -1) * gates).flatten(2)
    torch.testing.assert_close(seen["given"], expected)
    torch.testing.assert_close(outputs.attention_gates[1], gates)
    assert not torch.equal(seen["given"], seen["read"])


def test_a_gate_of_zero_silences_one_head_alone(family: Family) -> None:
    model = family.gated(attention_gate_init="identity")
    owner = model.get_submodule("model.layers.0.self_attn")
    given: list[torch.Tensor] = []
    owner.o_proj.register_forward_pre_hook(
        lambda _, args: given.append(args[0].unflatten(-1, (-1, model.config.head_dim)))
    )
    with torch.no_grad():
        model(**padded(model.config))
        owner.attention_gate.gate.register_forward_hook(
            lambda _, args, out: out.index_fill(-1, torch.tensor([2]), -math.inf)
        )
        model(**padded(model.config))
    open_, shut = given
    assert not shut[:, :, 2].any() and open_[:, :, 2].any()
    others = [head for head in range(model.config.num_attention_heads) if head != 2]
    assert torch.equal(shut[:, :, others], open_[:, :, others])


def test_gates_are_returned_where_they_are_asked_for(family: Family, mode: str) -> None:
    model = family.gated(attention_gate_mode=mode)
    inputs = padded(model.config)
    channels = 1 if mode == "headwise" else model.config.head_dim
    shape = (*inputs["input_ids"].shape, model.config.num_attention_heads, channels)
    with torch.no_grad():
        assert model(**inputs).attention_gates is None
        asked = model(**inputs, output_attention_gates=True)
        assert [each.shape for each in asked.attention_gates] == [shape] * model.config.num_hidden_layers
        as_tuple = model(**inputs, output_attention_gates=True, return_dict=False)
        assert isinstance(as_tuple, tuple) and torch.equal(as_tuple[0], asked.logits)
        model.config.output_attention_gates = True
        assert len(model(**inputs).attention_gates) == model.config.num_hidden_layers
        assert model(**inputs, output_attention_gates=False).attention_gates is None
        assert len(model.model(**inputs).attention_gates) == model.config.num_hidden_layers
        both = model(**inputs, output_hidden_states=True, output_attentions=True)
    assert len(both.attentions) == len(both.attention_gates) == len(both.hidden_states) - 1


@pytest.mark.parametrize("head", ["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"])
def test_every_head_returns_them(head: str) -> None:
    family = FAMILIES[0]
    model = family.gated(head=head)
    with torch.no_grad():
        outputs = model(**padded(model.config), output_attention_gates=True)
    assert len(outputs.attention_gates) == model.config.num_hidden_layers


def test_steps_with_a_cache_have_the_gates_of_their_tokens(family: Family, mode: str) -> None:
    model = family.gated(attention_gate_mode=mode)
    ids = padded(model.config, padding=0)["input_ids"]
    with torch.no_grad():
        whole = model(ids, output_attention_gates=True)
        first = model(ids[:, :6], use_cache=True, output_attention_gates=True)
        cache = {name: first[name] for name in ("past_key_values", "cache") if first.get(name) is not None}
        step = model(ids[:, 6:], use_cache=True, output_attention_gates=True, **cache)
    torch.testing.assert_close(step.logits, whole.logits[:, 6:], atol=1e-5, rtol=1e-4)
    for layer, gates in enumerate(whole.attention_gates):
        torch.testing.assert_close(step.attention_gates[layer], gates[:, 6:], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(first.attention_gates[layer], gates[:, :6], atol=1e-5, rtol=1e-4)


def test_generation_is_that_of_the_base_and_of_no_cache(family: Family, mode: str) -> None:
    base, gated = family.pair(mode=mode)
    inputs, greedy = padded(gated.config), {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    expected = base.generate(**inputs, **greedy)
    assert torch.equal(gated.generate(**inputs, **greedy), expected)
    own = family.gated(attention_gate_mode=mode)
    whole = own.generate(**inputs, **greedy, use_cache=False, return_dict_in_generate=True, output_logits=True)
    assert_equal_but_for_ties(own.generate(**inputs, **greedy), whole, own.config.hidden_size)


def test_padding_changes_no_gate_of_a_text(family: Family) -> None:
    model = family.gated()
    inputs = padded(model.config)
    hidden = int((inputs["attention_mask"][1] == 0).sum())
    with torch.no_grad():
        together = model(**inputs, output_attention_gates=True)
        alone = model(inputs["input_ids"][1:, hidden:], output_attention_gates=True)
    for one, other in zip(together.attention_gates, alone.attention_gates):
        torch.testing.assert_close(one[1:, hidden:], other, atol=1e-5, rtol=1e-4)


def test_the_papers_init_is_that_of_projections(family: Family) -> None:
    model = family.gated(hidden_size=256, attention_gate_mode="elementwise", initializer_range=0.1)
    for gate in gates_of(model):
        assert gate.gate.weight.std().item() == pytest.approx(0.1, rel=0.1) and gate.gate.bias is None
    with torch.no_grad():
        gates = torch.stack(family.gated()(**padded(model.config), output_attention_gates=True).attention_gates)
    assert 0.3 < gates.mean() < 0.7 and gates.std() > 0


def test_identity_starts_at_one_and_can_learn(family: Family, mode: str) -> None:
    model = family.gated(attention_gate_mode=mode, attention_gate_init="identity").train()
    inputs = padded(model.config)
    outputs = model(**inputs, labels=inputs["input_ids"], output_attention_gates=True)
    assert all(bool((each == 1).all()) for each in outputs.attention_gates)
    outputs.loss.backward()
    for gate in gates_of(model):
        assert not gate.gate.weight.any() and gate.gate.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_gradients_are_the_same(family: Family, reentrant: bool) -> None:
    found = []
    for checkpoints in (False, True):
        model = family.gated().train()
        if checkpoints:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            model.enable_input_require_grads()
        inputs = padded(model.config)
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
        found.append([gate.gate.weight.grad for gate in gates_of(model)])
    for plain, again in zip(*found):
        torch.testing.assert_close(again, plain)


def test_a_checkpoint_of_the_base_loads_as_the_base(family: Family, mode: str, tmp_path: Path) -> None:
    base, _ = family.pair()
    base.save_pretrained(tmp_path)
    fields = {"attention_gate_mode": mode, "attention_gate_init": "identity"}
    config = family.gated_class("Config").from_pretrained(tmp_path, **fields)
    gated = (
        family.gated_class("ForCausalLM").from_pretrained(tmp_path, config=config, attn_implementation="eager").eval()
    )
    assert all(not gate.gate.weight.any() for gate in gates_of(gated))
    gated, base = lay_out_anew(gated), lay_out_anew(base)  # what is loaded lies where its file puts it
    with torch.no_grad():
        assert torch.equal(gated(**padded(gated.config)).logits, base(**padded(gated.config)).logits)


def test_auto_classes_load_what_was_saved(family: Family, mode: str, tmp_path: Path) -> None:
    model = family.gated(attention_gate_mode=mode)
    model.save_pretrained(tmp_path)
    assert f"attention_gate_{family.name}" in " ".join(register_gates())
    assert type(AutoConfig.from_pretrained(tmp_path)) is type(model.config)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    assert type(again) is type(model)
    again, model = lay_out_anew(again), lay_out_anew(model)
    with torch.no_grad():
        assert torch.equal(again(**padded(model.config)).logits, model(**padded(model.config)).logits)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("attention_gate_mode", "rowwise", "headwise, elementwise"),
        ("attention_gate_init", "zero", "paper, identity"),
    ],
)
def test_fields_out_of_range_are_named(family: Family, field: str, value: str, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"`{field}` is '{value}', but must be one of {allowed}"):
        family.config(**{field: value})
    model = family.gated()
    setattr(model.config, field, value)
    with pytest.raises(ValueError, match=f"`{field}` is '{value}'"):
        type(model)(model.config)


def test_a_checkpoint_of_another_kind_is_refused_by_name(family: Family) -> None:
    with pytest.raises(ValueError, match=f"checkpoint of `quality_gate_{family.name}`"):
        family.config(model_type=f"quality_gate_{family.name}")


def test_heads_that_do_not_share_the_channels_are_refused() -> None:
    family = FAMILIES[0]
    gate = family.gated_class("Gate")
    with pytest.raises(ValueError, match="has 30 channels, which 4 heads do not share evenly"):
        gate(family.config(), torch.nn.Linear(30, 32), 4, 32)


def test_plans_split_gates_as_queries(family: Family) -> None:
    plan = family.gated().tp_plan
    path = "model.layers.*.self_attn.{}"
    split = plan.get(path.format("q_proj")) == "colwise"  # GPT-OSS splits its experts alone
    assert plan[path.format("attention_gate.gate")] == ("colwise" if split else "replicate")


def test_gates_of_a_share_of_the_heads_are_those_of_the_whole(family: Family, mode: str) -> None:
    """What a device computes whose projections are split by columns, put together: the rest is transformers' own."""
    gate = family.gated(attention_gate_mode=mode).get_submodule("model.layers.0.self_attn").attention_gate
    width, read = gate.gate.in_features, torch.randn(2, 5, 32)
    hidden = torch.randn(2, 5, width)
    whole, _ = gate(read, hidden)
    weight, parts = gate.gate.weight, []
    for rows, channels in zip(weight.chunk(2), read.chunk(2, -1)):
        gate.gate.weight = torch.nn.Parameter(rows)
        parts.append(gate(channels, hidden)[0])
    torch.testing.assert_close(torch.cat(parts, -1), whole)
