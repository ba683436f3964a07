# Generated from templates/tests/attention/suite.j2 and generated/attention_gate_llama.
# Do not edit: change the template and run `python utils/test_generator.py --model attention_gate_llama`.
# Seal: sha256 f8cf6f6e0e07680eaa250c455ec48cf1d869da54646ba77b6e363cccaab770c4
"""Llama with gates on its attention, at a tiny size: what any language model has to do, and what gates add to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from rounding.comparing import assert_equal_but_for_rounding, assert_equal_but_for_ties
from rounding.layout import lay_out_anew
from support import (
    BATCH,
    GREEDY,
    LENGTH,
    PADDING,
    WAYS_TO_GENERATE,
    WITH_LOGITS,
    copy_weights,
    padded_batch,
    positions_of,
    seeded,
    tensors,
    tokens,
    untyped,
    watched,
)

from generated import register_gates
from generated.attention_gate_llama import (
    AttentionGateLlamaConfig,
    AttentionGateLlamaForCausalLM,
    AttentionGateLlamaForQuestionAnswering,
    AttentionGateLlamaForSequenceClassification,
    AttentionGateLlamaForTokenClassification,
    AttentionGateLlamaModel,
)
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import (
    LlamaForCausalLM,
    LlamaForQuestionAnswering,
    LlamaForSequenceClassification,
    LlamaForTokenClassification,
    LlamaModel,
)


TINY: dict[str, Any] = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
HIDDEN = 32
MODES = ("headwise", "elementwise")
BASES = {  # gated class: the one of transformers that it has to agree with
    AttentionGateLlamaModel: LlamaModel,
    AttentionGateLlamaForCausalLM: LlamaForCausalLM,
    AttentionGateLlamaForSequenceClassification: LlamaForSequenceClassification,
    AttentionGateLlamaForQuestionAnswering: LlamaForQuestionAnswering,
    AttentionGateLlamaForTokenClassification: LlamaForTokenClassification,
}


def config(**fields: Any) -> AttentionGateLlamaConfig:
    """A tiny configuration."""
    return AttentionGateLlamaConfig(**{"attn_implementation": "eager", **deepcopy(TINY), **fields})


def base_config(**fields: Any) -> LlamaConfig:
    """The same for the base."""
    return LlamaConfig(**{"attn_implementation": "eager", **deepcopy(TINY), **fields})


def gated(model_class: type = AttentionGateLlamaForCausalLM, **fields: Any) -> Any:
    """A tiny gated model with random weights, the same ones at every call."""
    return seeded(model_class, config(**fields))


def pair(model_class: type = AttentionGateLlamaForCausalLM, mode: str = "headwise") -> tuple[Any, Any]:
    """A base, and a gated model with the same weights whose gates are open."""
    base = seeded(BASES[model_class], base_config())
    model = gated(model_class, attention_gate_mode=mode, attention_gate_init="identity")
    missing, unexpected = copy_weights(base, model)
    assert missing == set(gate_weights(model)) and not unexpected
    return base, model


def gates(model: torch.nn.Module) -> list[Any]:
    """The gates, in the order of their layers."""
    return [module for name, module in model.named_modules() if name.endswith(".attention_gate")]


def gate_weights(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The gates' parameters by name."""
    named = model.named_parameters(remove_duplicate=False)
    return {name: weight for name, weight in named if ".attention_gate." in name}


def run_gates(model: torch.nn.Module) -> list[Any]:
    """The gates that a pass over text runs, in this order: those of attention to an encoder it does not."""
    known = {id(each): each for each in gates(model)}
    with torch.no_grad(), watched(gates(model)) as calls:
        hooks = [each.register_forward_hook(lambda gate, *_: order.append(id(gate))) for each in known.values()]
        order: list[int] = []
        model(**padded_batch(model.config))
    for hook in hooks:
        hook.remove()
    assert len(calls) == len(order) > 0
    return [known[each] for each in order]


@contextmanager
def shut(gate: Any, head: int) -> Iterator[None]:
    """One head of a gate is shut inside the block."""
    rows = torch.arange(head * gate.channels, (head + 1) * gate.channels)
    hook = gate.gate.register_forward_hook(lambda _, __, given: given.index_fill(-1, rows, -torch.inf))
    yield
    hook.remove()


class TestConfig:
    """The configuration extends its base's, survives the disk, and refuses what makes no sense."""

    def test_round_trip(self, tmp_path: Path) -> None:
        before = config(attention_gate_mode="elementwise", attention_gate_init="identity", output_attention_gates=True)
        before.save_pretrained(tmp_path)
        after = AttentionGateLlamaConfig.from_pretrained(tmp_path)
        assert after.to_dict() == before.to_dict()
        assert (after.model_type, after.attention_gate_mode) == ("attention_gate_llama", "elementwise")

    def test_the_fields_of_the_base_are_kept(self) -> None:
        theirs, ours = untyped(base_config().to_dict()), untyped(config().to_dict())
        assert all(name in ours and ours[name] == value for name, value in theirs.items())
        added = {"attention_gate_mode": "headwise", "attention_gate_init": "paper", "output_attention_gates": False}
        assert {name: ours[name] for name in set(ours) - set(theirs)} == added

    def test_a_configuration_of_the_base_becomes_a_gated_one(self) -> None:
        assert AttentionGateLlamaConfig(**base_config().to_dict()).to_dict() == config().to_dict()

    @pytest.mark.parametrize(("name", "value"), [("attention_gate_mode", "rowwise"), ("attention_gate_init", "zero")])
    def test_invalid_values_are_refused_by_name(self, name: str, value: str) -> None:
        with pytest.raises(ValueError, match=f"`{name}` is {value!r}, but must be one of"):
            config(**{name: value})
        model = gated()
        setattr(model.config, name, value)
        with pytest.raises(ValueError, match=f"`{name}` is {value!r}"):
            type(model)(model.config)

    def test_a_checkpoint_of_another_kind_of_gate_is_refused(self) -> None:
        with pytest.raises(ValueError, match="checkpoint of `other_gate_llama`"):
            config(model_type="other_gate_llama")

    @pytest.mark.parametrize("mode", MODES)
    def test_published_fields_say_the_mode(self, mode: str) -> None:
        assert config(**{f"{mode}_attn_output_gate": True}).attention_gate_mode == mode
        assert config(**{f"{mode}_attn_output_gate": False}).attention_gate_mode == "headwise"
        with pytest.raises(ValueError, match="are both true"):
            config(headwise_attn_output_gate=True, elementwise_attn_output_gate=True)

    def test_auto_classes_know_the_architecture(self) -> None:
        register_gates()
        assert type(AutoConfig.for_model("attention_gate_llama")) is AttentionGateLlamaConfig
        assert type(AutoModelForCausalLM.from_config(config())) is AttentionGateLlamaForCausalLM


class TestParity:
    """With open gates every output equals the base's, bit for bit."""

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("model_class", BASES)
    def test_every_head_equals_the_bases(self, model_class: type, mode: str) -> None:
        base, model = pair(model_class, mode)
        inputs = padded_batch(model.config)
        with torch.no_grad():
            expected, actual = base(**inputs), model(**inputs, output_attention_gates=True)
        assert tensors(expected)
        assert all(torch.equal(actual[name], value) for name, value in tensors(expected).items())

    @pytest.mark.parametrize("mode", MODES)
    def test_gradients_equal_the_bases(self, mode: str) -> None:
        base, model = pair(mode=mode)
        losses = [each(tokens(config()), labels=tokens(config())).loss for each in (base, model)]
        assert torch.equal(*losses)
        for loss in losses:
            loss.backward()
        expected = {name: weight.grad for name, weight in base.named_parameters() if weight.grad is not None}
        actual = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        assert set(expected) <= set(actual)
        assert all(torch.equal(actual[name], gradient) for name, gradient in expected.items())

    @pytest.mark.parametrize("mode", MODES)
    def test_half_precision_equals_the_bases(self, mode: str) -> None:
        base, model = (each.to(torch.bfloat16) for each in pair(mode=mode))
        ids = tokens(model.config)
        assert torch.equal(model(ids).logits, base(ids).logits)

    def test_a_cache_equals_the_bases(self) -> None:
        logits, models = [], pair()
        ids = tokens(models[0].config)
        for each in models:
            with torch.no_grad():
                cache = each(ids[:, :6], use_cache=True).past_key_values
                logits.append(each(ids[:, 6:], past_key_values=cache).logits)
        assert torch.equal(*logits)


class TestGate:
    """A gate is one linear map of the layer's input, and scales each head before the output projection."""

    @pytest.mark.parametrize("mode", MODES)
    def test_a_gate_has_a_row_for_each_number(self, mode: str) -> None:
        for gate in gates(gated(attention_gate_mode=mode)):
            rows, columns = gate.gate.weight.shape
            assert gate.gate.bias is None and rows % gate.channels == 0 and columns % HIDDEN == 0
            assert (gate.channels == 1) == (mode == "headwise")

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("start", ["paper", "identity"])
    def test_heads_are_scaled_by_a_sigmoid_worked_out_by_hand(self, mode: str, start: str) -> None:
        model = gated(attention_gate_mode=mode, attention_gate_init=start)
        with torch.no_grad():
            for weight in gate_weights(model).values():
                weight.normal_(generator=torch.Generator().manual_seed(2))
        with torch.no_grad(), watched(gates(model)) as calls:
            model(**padded_batch(model.config))
        maps = [gate.gate for gate in run_gates(model)]
        with torch.no_grad(), watched(maps) as mapped:
            model(**padded_batch(model.config))
        for (read, (scaled, values)), (hidden, _), gate in zip(calls, mapped, run_gates(model), strict=True):
            expected = (2 if start == "identity" else 1) / (1 + (-(hidden @ gate.gate.weight.T)).exp())
            expected = expected.view(*hidden.shape[:-1], -1, gate.channels)
            assert_equal_but_for_rounding(values, expected, HIDDEN)
            heads = read.reshape(*expected.shape[:-1], -1)
            assert expected.shape[-1] in (1, heads.shape[-1])
            assert_equal_but_for_rounding(scaled, (heads * expected).reshape(read.shape), HIDDEN)

    def test_the_projection_is_given_what_is_scaled(self) -> None:
        model = gated()
        owner = next(each for each in model.modules() if getattr(each, "attention_gate", None) is run_gates(model)[0])
        inside = [each for each in owner.modules() if isinstance(each, torch.nn.Module) and each is not owner]
        inside = [each for each in inside if each is not owner.attention_gate and not list(each.children())]
        with torch.no_grad(), watched([owner.attention_gate]) as scaled, watched(inside) as calls:
            model(**padded_batch(model.config))
        read, (given, _) = scaled[0]
        taken = [each for each, _ in calls if isinstance(each, torch.Tensor) and each.numel() == given.numel()]
        assert any(torch.equal(each.reshape(given.shape), given) for each in taken)
        assert not any(torch.equal(each.reshape(read.shape), read) for each in taken if each.shape == read.shape)

    def test_the_gate_reads_the_input_of_attention(self) -> None:
        model = gated()
        owner = next(each for each in model.modules() if getattr(each, "attention_gate", None) is run_gates(model)[0])
        taken: list[Any] = []
        owner.register_forward_pre_hook(
            lambda _, args, kwargs: taken.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
        )
        with torch.no_grad(), watched([owner.attention_gate.gate]) as calls:
            model(**padded_batch(model.config))
        assert torch.equal(calls[0][0], taken[0])

    @pytest.mark.parametrize("mode", MODES)
    def test_a_shut_head_is_silent_and_no_other(self, mode: str) -> None:
        model = gated(attention_gate_mode=mode)
        gate = run_gates(model)[0]
        with torch.no_grad(), shut(gate, 1), watched([gate]) as calls:
            model(**padded_batch(model.config))
        read, (scaled, values) = calls[0]
        read, scaled = (each.reshape(*values.shape[:-1], -1) for each in (read, scaled))
        assert not scaled[..., 1, :].any() and read[..., 1, :].any()
        assert scaled[..., 0, :].any() and scaled[..., 2:, :].any()

    def test_a_gate_changes_what_the_model_says(self) -> None:
        _, model = pair()
        with torch.no_grad():
            before = model(**padded_batch(model.config)).logits
            with shut(run_gates(model)[-1], 0):
                after = model(**padded_batch(model.config)).logits
        assert not torch.equal(before, after)

    def test_the_papers_gates_start_about_a_half(self) -> None:
        model = gated()
        assert all(weight.any() and weight.std() > 0 for weight in gate_weights(model).values())
        with torch.no_grad():
            values = torch.cat(
                [
                    each.flatten()
                    for each in model(**padded_batch(model.config), output_attention_gates=True).attention_gates
                ]
            )
        assert 0.3 < values.mean() < 0.7 and ((values > 0) & (values < 1)).all() and values.std() > 0

    @pytest.mark.parametrize("mode", MODES)
    def test_identity_starts_at_exactly_one(self, mode: str) -> None:
        model = gated(attention_gate_mode=mode, attention_gate_init="identity")
        assert not any(weight.any() for weight in gate_weights(model).values())
        with torch.no_grad():
            outputs = model(**padded_batch(model.config), output_attention_gates=True)
        assert all(bool((each == 1).all()) for each in outputs.attention_gates)


class TestRecorded:
    """Gates are returned where they are asked for, from every head, and only there."""

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("model_class", BASES)
    def test_every_head_returns_the_gates(self, model_class: type, mode: str) -> None:
        model = gated(model_class, attention_gate_mode=mode)
        inputs = padded_batch(model.config)
        run = run_gates(model)
        with torch.no_grad(), watched(run) as calls:
            outputs = model(**inputs, output_attention_gates=True)
        assert len(outputs.attention_gates) == len(run)
        for (_, (_, expected)), actual, gate in zip(calls, outputs.attention_gates, run, strict=True):
            assert torch.equal(actual, expected) and actual.shape[:2] == (BATCH, LENGTH)
            assert actual.shape[2:] == (gate.gate.weight.shape[0] // gate.channels, gate.channels)

    def test_nobody_asks(self) -> None:
        model = gated()
        with torch.no_grad():
            assert model(**padded_batch(model.config)).attention_gates is None
            assert model(**padded_batch(model.config), output_attention_gates=False).attention_gates is None

    def test_the_configuration_asks_and_the_argument_decides(self) -> None:
        model = gated(output_attention_gates=True)
        inputs = padded_batch(model.config)
        with torch.no_grad():
            assert len(model(**inputs).attention_gates) == len(run_gates(model))
            assert model(**inputs, output_attention_gates=False).attention_gates is None

    def test_a_tuple_holds_them_as_well(self) -> None:
        model = gated()
        inputs = padded_batch(model.config)
        with torch.no_grad():
            whole = model(**inputs, output_attention_gates=True)
            given = model(**inputs, output_attention_gates=True, return_dict=False)
            without = model(**inputs, return_dict=False)
        assert isinstance(given, tuple) and len(given) == len(without) + 1
        assert any(
            isinstance(each, tuple)
            and len(each)
            and each[0] is not None
            and torch.equal(each[0], whole.attention_gates[0])
            for each in given
            if isinstance(each, tuple)
            and isinstance(each[0], torch.Tensor)
            and each[0].shape == whole.attention_gates[0].shape
        )

    def test_recorded_gates_carry_gradients(self) -> None:
        model = gated()
        torch.stack(
            [each.mean() for each in model(tokens(config()), output_attention_gates=True).attention_gates]
        ).sum().backward()
        assert all(gate.gate.weight.grad.any() for gate in run_gates(model))


class TestTraining:
    """Gradients reach what is trained, and training works."""

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("start", ["paper", "identity"])
    def test_gradients_reach_every_gate(self, mode: str, start: str) -> None:
        model = gated(attention_gate_mode=mode, attention_gate_init=start).train()
        ids = tokens(model.config)
        model(ids, labels=ids).loss.backward()
        for gate in run_gates(model):
            assert gate.gate.weight.grad.isfinite().all() and gate.gate.weight.grad.abs().sum() > 0

    def test_gates_hand_gradients_on_to_what_they_read(self) -> None:
        model = gated()
        model(tokens(model.config), output_attention_gates=True).attention_gates[0].sum().backward()
        assert model.get_input_embeddings().weight.grad.any()

    def test_everything_that_the_base_trains_is_trained(self) -> None:
        reached = []
        for model in pair():
            ids = tokens(model.config)
            model.train()(ids, labels=ids).loss.backward()
            reached.append({name for name, weight in model.named_parameters() if weight.grad is not None})
        run = {id(gate.gate.weight) for gate in run_gates(model)}
        assert reached[1] == reached[0] | {name for name, weight in gate_weights(model).items() if id(weight) in run}

    def test_steps_reduce_the_loss(self) -> None:
        model = gated().train()
        ids = tokens(model.config)
        optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-2), []
        for _ in range(8):
            losses.append(model(ids, labels=ids).loss)
            optimizer.zero_grad()
            losses[-1].backward()
            optimizer.step()
        assert losses[-1] < 0.95 * losses[0]

    def test_gates_alone_can_learn(self) -> None:
        model = gated(attention_gate_init="identity").train()
        ids = tokens(model.config)
        optimizer, losses = torch.optim.AdamW(gate_weights(model).values(), lr=5e-2), []
        for _ in range(10):
            losses.append(model(ids, labels=ids).loss)
            optimizer.zero_grad()
            losses[-1].backward()
            optimizer.step()
        assert losses[-1] < losses[0]

    def test_gradient_checkpointing_changes_no_gradient(self) -> None:
        gradients = []
        for checkpointing in (False, True):
            model = gated().train()
            if checkpointing:
                model.activation_checkpointing_enable({"use_reentrant": False})
            ids = tokens(model.config)
            model(ids, labels=ids, use_cache=False).loss.backward()
            gradients.append({name: weight.grad for name, weight in model.named_parameters()})
        assert_equal_but_for_rounding(gradients[1], gradients[0], HIDDEN)


class TestSaveLoad:
    """What is saved comes back; what is missing is made new."""

    @pytest.mark.parametrize("model_class", BASES)
    def test_saved_models_come_back(self, model_class: type, tmp_path: Path) -> None:
        model = gated(model_class, attention_gate_mode="elementwise")
        model.save_pretrained(tmp_path)
        again, info = model_class.from_pretrained(tmp_path, attn_implementation="eager", output_loading_info=True)
        assert not any(info.values()) and again.config.attention_gate_mode == "elementwise"
        assert all(torch.equal(again.state_dict()[name], value) for name, value in model.state_dict().items())
        inputs = padded_batch(model.config)
        assert_equal_but_for_rounding(tensors(again(**inputs)), tensors(model(**inputs)), HIDDEN)

    @pytest.mark.parametrize("mode", MODES)
    def test_a_checkpoint_of_the_base_lacks_the_gates_alone(self, mode: str, tmp_path: Path) -> None:
        base = seeded(LlamaForCausalLM, base_config())
        base.save_pretrained(tmp_path)
        options = {"attention_gate_mode": mode, "attention_gate_init": "identity", "attn_implementation": "eager"}
        model, info = AttentionGateLlamaForCausalLM.from_pretrained(tmp_path, output_loading_info=True, **options)
        assert info["missing_keys"] == set(gate_weights(model)) and not info["unexpected_keys"]
        assert not any(weight.any() for weight in gate_weights(model).values())
        inputs = padded_batch(model.config)
        expected, actual = (lay_out_anew(each.eval())(**inputs) for each in (base, model))
        assert all(torch.equal(actual[name], value) for name, value in tensors(expected).items())

    def test_gates_take_the_precision_of_the_model(self, tmp_path: Path) -> None:
        gated().save_pretrained(tmp_path)
        model = AttentionGateLlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
        assert {weight.dtype for weight in gate_weights(model).values()} == {torch.bfloat16}
        assert model(tokens(model.config)).logits.isfinite().all()

    def test_models_can_be_built_without_memory(self) -> None:
        with torch.device("meta"):
            base, model = LlamaForCausalLM(base_config()), AttentionGateLlamaForCausalLM(config())
        held = [sum(not weight.is_meta for weight in each.parameters()) for each in (base, model)]
        assert held[1] == held[0] < len(list(base.parameters()))


class TestAttention:
    """Every attention and every padding gives the same logits and gates."""

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        "attention",
        [
            "sdpa",
            "flex_attention",
        ],
    )
    def test_kinds_of_attention_agree(self, attention: str, mode: str) -> None:
        eager, other = (gated(attention_gate_mode=mode, attn_implementation=each) for each in ("eager", attention))
        assert other.config._attn_implementation == attention
        inputs = padded_batch(eager.config)
        real = inputs["attention_mask"].bool()
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):  # compiling the kernel takes a minute
            expected, actual = (model(**inputs, output_attention_gates=True) for model in (eager, other))
        assert_equal_but_for_rounding(actual.logits[real], expected.logits[real], HIDDEN)
        for one, another in zip(actual.attention_gates, expected.attention_gates, strict=True):
            assert_equal_but_for_rounding(one[real], another[real], HIDDEN)

    def test_padding_is_as_good_as_nothing(self) -> None:
        model = gated(output_attention_gates=True)
        inputs, real = padded_batch(model.config), slice(PADDING, None)
        short = {name: values[1:, real] for name, values in inputs.items()}
        padded, bare = (
            model(**inputs, position_ids=positions_of(inputs)),
            model(**short, position_ids=positions_of(short)),
        )
        assert_equal_but_for_rounding(padded.logits[1:, real], bare.logits, HIDDEN)
        for with_padding, without in zip(padded.attention_gates, bare.attention_gates, strict=True):
            assert_equal_but_for_rounding(with_padding[1:, real], without, HIDDEN)

    def test_a_gate_sees_no_token_behind_its_own(self) -> None:
        model = gated(output_attention_gates=True)
        ids = tokens(model.config)
        other = ids.clone()
        other[:, 5:] = ids[:, 5:].flip(0)
        with torch.no_grad():
            one, another = model(ids).attention_gates, model(other).attention_gates
        for first, second in zip(one, another, strict=True):
            assert_equal_but_for_rounding(first[:, :5], second[:, :5], HIDDEN)
            assert not torch.equal(first[:, 5:], second[:, 5:])


class TestGeneration:
    """Open gates generate the base's tokens, others the same with a cache and without."""

    @pytest.mark.parametrize("mode", MODES)
    def test_a_cache_gives_what_a_whole_pass_gives(self, mode: str) -> None:
        model = gated(attention_gate_mode=mode, output_attention_gates=True)
        ids, cache, steps = tokens(model.config), None, []
        with torch.no_grad():
            whole = model(ids, use_cache=False)
            for place in range(LENGTH):
                steps.append(model(ids[:, place : place + 1], past_key_values=cache, use_cache=True))
                cache = steps[-1].past_key_values
        assert_equal_but_for_rounding(torch.cat([step.logits for step in steps], 1), whole.logits, HIDDEN)
        for layer, values in enumerate(whole.attention_gates):
            assert_equal_but_for_rounding(
                torch.cat([step.attention_gates[layer] for step in steps], 1), values, HIDDEN
            )

    @pytest.mark.parametrize(
        "way",
        ["greedy", "beams", "sampled", "uncached", "static cache"],
    )
    def test_texts_equal_the_bases(self, way: str) -> None:
        base, model = pair(mode="elementwise")
        texts = []
        for each in (base, model):
            torch.manual_seed(0)
            texts.append(each.generate(**padded_batch(model.config), **{**GREEDY, **WAYS_TO_GENERATE[way]}))
        assert texts[0].shape == (BATCH, LENGTH + GREEDY["max_new_tokens"])
        assert torch.equal(texts[1], texts[0])

    @pytest.mark.parametrize("mode", MODES)
    def test_gated_models_generate_alike_with_a_cache_and_without(self, mode: str) -> None:
        model = gated(attention_gate_mode=mode)
        ids = tokens(model.config)
        uncached = model.generate(ids, **GREEDY, **WITH_LOGITS, use_cache=False)
        assert_equal_but_for_ties(model.generate(ids, **GREEDY), uncached, HIDDEN)


class TestPlans:
    """Gates are split over devices as the heads that they scale."""

    def test_every_gate_is_in_the_plan(self) -> None:
        model = AttentionGateLlamaModel(config())
        planned = {name: style for name, style in model._tp_plan.items() if name.endswith(".attention_gate.gate")}
        paths = {name.removesuffix(".weight").replace(".0.", ".*.") for name in gate_weights(model) if ".0." in name}
        assert set(planned) == paths and set(planned.values()) <= {"colwise", "replicate"}

    @pytest.mark.parametrize("mode", MODES)
    def test_a_share_of_the_heads_has_its_share_of_the_gates(self, mode: str) -> None:
        """What devices compute that have some heads each, put together."""
        model = gated(attention_gate_mode=mode)
        gate = run_gates(model)[0]
        with torch.no_grad(), watched([gate]) as calls, watched([gate.gate]) as mapped:
            model(**padded_batch(model.config))
            (read, (scaled, values)), (hidden, _) = calls[0], mapped[0]
            weight, parts = gate.gate.weight, []
            for rows, channels in zip(weight.chunk(2), read.chunk(2, -1), strict=True):
                gate.gate.weight = torch.nn.Parameter(rows)
                parts.append(gate(channels, hidden))
        assert_equal_but_for_rounding(torch.cat([part for part, _ in parts], -1), scaled, HIDDEN)
        assert_equal_but_for_rounding(torch.cat([part for _, part in parts], 2), values, HIDDEN)


class TestCompile:
    """`torch.compile` and `torch.export` take the model whole, with its gates."""

    def test_a_forward_pass_compiles_without_a_break(self) -> None:
        model = gated()
        ids = tokens(model.config)
        asked = {"labels": ids, "output_attention_gates": True, "use_cache": False}
        eager = model(ids, **asked)
        torch._dynamo.reset()
        compiled = torch.compile(model, fullgraph=True, backend="eager")(ids, **asked)
        assert_equal_but_for_rounding(compiled.logits, eager.logits, HIDDEN)
        assert_equal_but_for_rounding(compiled.loss, eager.loss, HIDDEN)
        assert_equal_but_for_rounding(compiled.attention_gates, eager.attention_gates, HIDDEN)

    def test_a_forward_pass_exports(self) -> None:
        model = gated()
        inputs = {"input_ids": tokens(model.config), "use_cache": False, "output_attention_gates": True}
        with torch.no_grad():
            exported = torch.export.export(model, (), inputs, strict=False).module()(**inputs)
            eager = model(**inputs)
        assert_equal_but_for_rounding(exported.logits, eager.logits, HIDDEN)
        assert_equal_but_for_rounding(exported.attention_gates, eager.attention_gates, HIDDEN)
