# Generated from templates/tests/select/suite.j2 and generated/select_gate_olmoe.
# Do not edit: change the template and run `python utils/test_generator.py --model select_gate_olmoe`.
# Seal: sha256 89aa731c43cc3d3fd68fce98c2d54fe0355a7be8c98b3f0c41a7c7b546034cfc
"""Olmoe with gates on its experts, at a tiny size: what any language model has to do, and what gates add to it."""

from __future__ import annotations

import math
import statistics
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
    cross_entropy_by_hand,
    padded_batch,
    positions_of,
    seeded,
    tensors,
    tokens,
    untyped,
    watched,
)

from generated import register_gates
from generated.select_gate_olmoe import SelectGateOlmoeConfig, SelectGateOlmoeForCausalLM, SelectGateOlmoeModel
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.olmoe.configuration_olmoe import OlmoeConfig
from transformers.models.olmoe.modeling_olmoe import OlmoeForCausalLM, OlmoeModel


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
    "num_experts": 4,
    "num_experts_per_tok": 2,
}
HIDDEN = 32
LOSSES = ("sigmoid", "linear", "mse", "beta_moment_matching", "mean_variance_regularization", "custom")
BASES = {  # gated class: the one of transformers that it has to agree with
    SelectGateOlmoeModel: OlmoeModel,
    SelectGateOlmoeForCausalLM: OlmoeForCausalLM,
}


def config(**fields: Any) -> SelectGateOlmoeConfig:
    """A tiny configuration."""
    return SelectGateOlmoeConfig(**{"attn_implementation": "eager", **deepcopy(TINY), **fields})


def base_config(**fields: Any) -> OlmoeConfig:
    """The same for the base."""
    return OlmoeConfig(**{"attn_implementation": "eager", **deepcopy(TINY), **fields})


def gated(model_class: type = SelectGateOlmoeForCausalLM, **fields: Any) -> Any:
    """A tiny gated model with random weights, the same ones at every call."""
    return seeded(model_class, config(**fields))


def pair(model_class: type = SelectGateOlmoeForCausalLM, **fields: Any) -> tuple[Any, Any]:
    """A base, and a gated model with the same weights whose gates are open."""
    base = seeded(BASES[model_class], base_config())
    model = gated(model_class, **{"select_gate_init": "open", **fields})
    missing, unexpected = copy_weights(base, model)
    assert missing == set(gate_weights(model)) and not unexpected
    return base, model


def gates(model: torch.nn.Module) -> list[Any]:
    """The gates, in the order of their layers."""
    return [module for name, module in model.named_modules() if name.endswith(".select_gate")]


def gate_weights(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The gates' parameters by name."""
    named = model.named_parameters(remove_duplicate=False)
    return {name: weight for name, weight in named if ".select_gate." in name}


@contextmanager
def scores_of(model: torch.nn.Module, value: float) -> Iterator[None]:
    """Every gate gives one score inside the block, whatever it reads."""
    hooks = [each.gate.register_forward_hook(lambda _, __, given: given * 0 + value) for each in gates(model)]
    yield
    for hook in hooks:
        hook.remove()


@contextmanager
def mixed(model: torch.nn.Module) -> Iterator[list[tuple[Any, ...]]]:
    """What each gate mixes inside the block: the experts' output, ratio, trash, and what comes out."""
    calls: list[tuple[Any, ...]] = []
    for gate in gates(model):
        own = type(gate).mix
        gate.mix = lambda *given: (calls.append((*given, own(*given))), calls[-1][-1])[1]
    yield calls
    for gate in gates(model):
        del gate.mix


def costs(ratios: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """A loss of one's own."""
    return (ratios - 0.25).abs() * mask


def loss_by_hand(scores: Any, mask: torch.Tensor, kind: str = "sigmoid", by_sample: bool = False) -> float:
    """The quality loss of scores, one number at a time, with the configuration's defaults."""
    return statistics.fmean(_loss_of_layer(layer, mask, kind, by_sample) for layer in scores)


def _loss_of_layer(layer: torch.Tensor, mask: torch.Tensor, kind: str, by_sample: bool) -> float:
    rows = [
        [1 / (1 + math.exp(-score)) for score, valid in zip(*row, strict=True) if valid]
        for row in zip(layer.squeeze(-1).tolist(), mask.tolist(), strict=True)
    ]
    ratios = [each for row in rows for each in row]
    mean = statistics.fmean(ratios)
    if kind == "beta_moment_matching":
        return (mean - 0.5) ** 2 + (statistics.variance(ratios) - 0.05) ** 2
    if kind == "mean_variance_regularization":
        return (mean - 0.5) ** 2 - 0.1 * statistics.variance(ratios)
    known = {"mse": lambda ratio: ratio**2, "custom": lambda ratio: abs(ratio - 0.25)}
    cost = known.get(kind, lambda ratio: ratio)
    if not by_sample:
        return statistics.fmean(map(cost, ratios))
    return statistics.fmean(statistics.fmean(map(cost, row)) for row in rows if row)


class TestConfig:
    """The configuration extends its base's, survives the disk, and refuses what makes no sense."""

    def test_round_trip(self, tmp_path: Path) -> None:
        before = config(
            select_gate_init="open", trash_expert_mode="noise", quality_loss_weight=1, quality_loss_type="mse"
        )
        before.save_pretrained(tmp_path)
        after = SelectGateOlmoeConfig.from_pretrained(tmp_path)
        assert after.to_dict() == before.to_dict()
        assert (after.model_type, after.trash_expert_mode) == ("select_gate_olmoe", "noise")

    def test_the_fields_of_the_base_are_kept(self) -> None:
        theirs, ours = untyped(base_config().to_dict()), untyped(config().to_dict())
        own = {"router_aux_loss_coef": 0.01, "output_router_logits": True}
        assert {name: ours[name] for name in own} == own
        assert all(name in ours and ours[name] == value for name, value in theirs.items() if name not in own)
        added = {
            "select_gate_init": "normal",
            "quality_gate_init_mean": 0.0,
            "quality_gate_init_std": 0.02,
            "trash_expert_mode": "zero",
            "enable_load_balancing": False,
            "quality_loss_weight": 0.5,
            "quality_loss_type": "sigmoid",
            "sample_wise_averaging": False,
            "beta_target_mean": 0.5,
            "beta_target_var": 0.05,
            "w_mean": 1.0,
            "w_var": 1.0,
            "lambda_var": 0.1,
            "quality_loss_debug": False,
        }
        assert {name: ours[name] for name in set(ours) - set(theirs) - set(own)} == added

    @pytest.mark.parametrize(
        ("name", "value", "allowed"),
        [
            ("select_gate_init", "shut", "one of normal, open"),
            ("trash_expert_mode", "waste", "one of zero, noise, custom"),
            ("quality_loss_type", "bce", "one of sigmoid, linear"),
            ("quality_gate_init_std", -1.0, "a number from 0 to inf"),
            ("quality_loss_weight", -1, "a number from 0 to inf"),
            ("router_aux_loss_coef", -0.1, "a number from 0 to inf"),
            ("beta_target_mean", 1.1, "a number from 0 to 1"),
            ("beta_target_var", 0.3, r"a number from 0 to 0\.25"),
            ("lambda_var", math.nan, "a number from 0 to inf"),
        ],
    )
    def test_invalid_values_are_refused_by_name(self, name: str, value: Any, allowed: str) -> None:
        with pytest.raises(ValueError, match=f"`{name}` is {value!r}, but must be {allowed}"):
            config(**{name: value})
        model = gated()
        setattr(model.config, name, value)
        with pytest.raises(ValueError, match=f"`{name}` is {value!r}"):
            type(model)(model.config)

    def test_a_checkpoint_of_another_kind_of_gate_is_refused(self) -> None:
        with pytest.raises(ValueError, match="checkpoint of `other_gate_olmoe`"):
            config(model_type="other_gate_olmoe")
        assert config(model_type="select_moe").model_type == "select_gate_olmoe"  # the original's

    def test_auto_classes_know_the_architecture(self) -> None:
        register_gates()
        assert type(AutoConfig.for_model("select_gate_olmoe")) is SelectGateOlmoeConfig
        assert type(AutoModelForCausalLM.from_config(config())) is SelectGateOlmoeForCausalLM


class TestParity:
    """With open gates every output equals the base's, bit for bit."""

    @pytest.mark.parametrize("mode", ["zero", "noise"])
    @pytest.mark.parametrize("model_class", BASES)
    def test_every_head_equals_the_bases(self, model_class: type, mode: str) -> None:
        base, model = pair(model_class, trash_expert_mode=mode)
        inputs = padded_batch(model.config)
        with torch.no_grad():
            expected, actual = base(**inputs), model(**inputs)
        assert tensors(expected)
        assert all(torch.equal(actual[name], value) for name, value in tensors(expected).items())

    def test_gradients_equal_the_bases(self) -> None:
        base, model = pair()
        losses = [
            each(tokens(config()), labels=tokens(config()), output_router_logits=False).loss for each in (base, model)
        ]
        assert torch.equal(*losses)
        for loss in losses:
            loss.backward()
        expected = {name: weight.grad for name, weight in base.named_parameters() if weight.grad is not None}
        actual = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        assert set(expected) <= set(actual)
        assert all(torch.equal(actual[name], gradient) for name, gradient in expected.items())

    @pytest.mark.parametrize("mode", ["zero", "noise"])
    def test_half_precision_equals_the_bases(self, mode: str) -> None:
        base, model = (each.to(torch.bfloat16) for each in pair(trash_expert_mode=mode))
        ids = tokens(model.config)
        assert torch.equal(model(ids).logits, base(ids).logits)

    def test_a_cache_equals_the_bases(self) -> None:
        logits, models = [], pair()
        ids = tokens(models[0].config)
        for each in models:
            with torch.no_grad():
                cache = each(ids[:, :6], use_cache=True).cache
                logits.append(each(ids[:, 6:], cache=cache).logits)
        assert torch.equal(*logits)


class TestGate:
    """A gate is one linear map of what the mixture reads, in float32, and mixes what it gives."""

    def test_a_gate_is_one_row_of_float32(self) -> None:
        for gate in gates(SelectGateOlmoeForCausalLM._from_config(config(), dtype=torch.bfloat16)):
            assert gate.gate.weight.shape == (1, HIDDEN) and gate.gate.bias is None
            assert gate.gate.weight.dtype == torch.float32

    @pytest.mark.parametrize("start", ["normal", "open"])
    def test_ratios_are_worked_out_by_hand(self, start: str) -> None:
        model = gated(select_gate_init=start)
        with torch.no_grad():
            for weight in gate_weights(model).values():
                weight.normal_(generator=torch.Generator().manual_seed(2))
        with torch.no_grad(), watched(gates(model)) as calls:
            model(**padded_batch(model.config))
        assert len(calls) == len(gates(model)) > 0
        for (hidden, (score, ratio, trash)), gate in zip(calls, gates(model), strict=True):
            expected = hidden.double() @ gate.gate.weight.double().T
            assert_equal_but_for_rounding(score, expected.float(), HIDDEN)
            sigmoid = 1 / (1 + (-expected).exp())
            wanted = sigmoid if start == "normal" else (2 * sigmoid).clamp(max=1)
            assert_equal_but_for_rounding(ratio, wanted.float(), HIDDEN)
            assert ratio.min() < 0.4 and ratio.max() > 0.6 and trash is None

    def test_experts_are_scaled_by_their_ratio(self) -> None:
        model = gated(quality_gate_init_std=0.5)
        with torch.no_grad(), watched(gates(model)) as calls, mixed(model) as mixes:
            model(**padded_batch(model.config))
        for (_, (_, ratio, _)), (experts, used, trash, output) in zip(calls, mixes, strict=True):
            assert torch.equal(used, ratio) and trash is None
            assert_equal_but_for_rounding(output, ratio * experts, HIDDEN)
            assert experts.any()

    def test_a_layer_adds_what_is_mixed(self) -> None:
        """With gates that are shut each layer is as if its experts gave nothing; half open ones halve what they add."""
        model = gated()
        outputs = []
        for score in (-1e4, 0.0, 1e4):
            layers = [each for each in model.modules() if getattr(each, "select_gate", None) is gates(model)[0]]
            with torch.no_grad(), scores_of(model, score), watched(layers) as calls:
                model(**padded_batch(model.config))
            given = calls[0][1]
            outputs.append(given[0] if isinstance(given, tuple) else given)
        shut, half, whole = outputs
        assert not torch.equal(shut, whole)
        assert_equal_but_for_rounding(half, (shut + whole) / 2, HIDDEN)

    def test_wide_open_gates_are_the_base(self) -> None:
        base, model = pair(select_gate_init="normal", trash_expert_mode="noise")
        inputs = padded_batch(model.config)
        with torch.no_grad(), scores_of(model, 1e4):
            assert torch.equal(model(**inputs).logits, base(**inputs).logits)

    def test_shut_gates_leave_nothing_of_the_experts(self) -> None:
        model = gated()
        with torch.no_grad(), scores_of(model, -1e4), mixed(model) as mixes:
            before = model(**padded_batch(model.config)).logits
        assert all(experts.any() and not output.any() for experts, _, _, output in mixes)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if ".experts." in name:
                    weight.mul_(2)
        with torch.no_grad(), scores_of(model, -1e4):
            assert torch.equal(model(**padded_batch(model.config)).logits, before)

    def test_drawn_gates_start_about_a_half(self) -> None:
        model = gated()
        assert all(0 < weight.std() < 0.1 for weight in gate_weights(model).values())
        with torch.no_grad():
            ratios = torch.stack(model(**padded_batch(model.config)).quality_logits).sigmoid()
        assert 0.3 < ratios.mean() < 0.7 and ratios.std() > 0

    def test_the_configuration_says_how_they_are_drawn(self) -> None:
        weights = torch.cat(
            [
                each.flatten()
                for each in gate_weights(gated(quality_gate_init_mean=3.0, quality_gate_init_std=0.1)).values()
            ]
        )
        assert abs(weights.mean() - 3) < 0.1 and 0.05 < weights.std() < 0.15
        assert not any(
            weight.any()
            for weight in gate_weights(gated(select_gate_init="open", quality_gate_init_mean=3.0)).values()
        )

    def test_open_gates_can_close_wherever_they_are(self) -> None:
        gate = gates(gated(select_gate_init="open"))[0]
        with torch.no_grad():
            gate.gate.weight.fill_(1 / HIDDEN)
        hidden = torch.tensor([-2.0, 0.0, 2.0])[:, None] * torch.ones(3, HIDDEN)
        score, ratio, _ = gate(hidden)
        assert torch.equal(ratio[1:], torch.ones(2, 1)) and ratio[0] < 0.3
        [gradient] = torch.autograd.grad(ratio.sum(), score)
        sigmoid = score.sigmoid()
        assert_equal_but_for_rounding(gradient, 2 * sigmoid * (1 - sigmoid), HIDDEN)


class TestTrash:
    """What tokens get as far as they are not good: nothing, noise, or what a module of one's own gives."""

    def test_noise_has_the_moments_of_each_token(self) -> None:
        gate = gates(gated(trash_expert_mode="noise"))[0]
        hidden = (
            torch.randn(4, 1, HIDDEN) * torch.tensor([0.1, 1.0, 3.0, 9.0])[:, None, None]
            + torch.tensor([5.0, -5.0, 0.0, 1.0])[:, None, None]
        )
        noise = torch.stack([gate(hidden)[2] for _ in range(400)]).squeeze(2)  # [draws, tokens, hidden]
        drawn = noise.transpose(0, 1).flatten(1)
        assert ((drawn.mean(-1) - hidden.squeeze(1).mean(-1)).abs() < 0.1 * hidden.squeeze(1).std(-1)).all()
        assert ((drawn.std(-1) / hidden.squeeze(1).std(-1) - 1).abs() < 0.05).all()
        assert noise[0].shape == (4, HIDDEN) and not torch.equal(noise[0], noise[1])

    def test_noise_carries_no_gradient(self) -> None:
        gate = gates(gated(trash_expert_mode="noise"))[0]
        hidden = torch.randn(2, 3, HIDDEN, requires_grad=True)
        _, ratio, noise = gate(hidden)
        assert not noise.requires_grad and ratio.requires_grad

    def test_trash_fills_up_what_the_ratio_leaves(self) -> None:
        model = gated(trash_expert_mode="noise", quality_gate_init_std=0.5)
        with torch.no_grad(), watched(gates(model)) as calls, mixed(model) as mixes:
            model(**padded_batch(model.config))
        for (hidden, (_, ratio, noise)), (experts, _, trash, output) in zip(calls, mixes, strict=True):
            assert trash is noise and noise.shape == hidden.shape
            assert_equal_but_for_rounding(output, ratio * experts + (1 - ratio) * trash.view(experts.shape), HIDDEN)

    def test_a_module_of_ones_own_is_trained_and_saved(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(SelectGateOlmoeForCausalLM, "trash_expert", lambda config: torch.nn.Linear(HIDDEN, HIDDEN))
        model = gated(trash_expert_mode="custom")
        assert len({id(gate.trash) for gate in gates(model)}) == len(gates(model))
        with torch.no_grad(), watched([gate.trash for gate in gates(model)]) as given, mixed(model) as mixes:
            model(**padded_batch(model.config))
        assert all(torch.equal(trash, output) for (_, output), (_, _, trash, _) in zip(given, mixes, strict=True))
        model(tokens(model.config), labels=tokens(model.config)).loss.backward()
        assert all(gate.trash.weight.grad.any() for gate in gates(model))
        model.save_pretrained(tmp_path)
        again = SelectGateOlmoeForCausalLM.from_pretrained(tmp_path)
        for one, other in zip(gates(again), gates(model), strict=True):
            assert torch.equal(one.trash.weight, other.trash.weight)

    def test_no_module_is_told(self) -> None:
        with pytest.raises(NotImplementedError, match="trash_expert"):
            gated(trash_expert_mode="custom")(tokens(config()))


class TestOutputs:
    """Scores and routers' logits are returned where they are asked for, from every head, and only there."""

    @pytest.mark.parametrize("model_class", BASES)
    def test_every_head_returns_the_scores(self, model_class: type) -> None:
        model = gated(model_class)
        with torch.no_grad(), watched(gates(model)) as calls:
            outputs = model(**padded_batch(model.config), output_router_logits=True)
        assert len(outputs.quality_logits) == len(outputs.router_logits) == len(gates(model))
        for (_, (score, _, _)), actual, both in zip(calls, outputs.quality_logits, outputs.router_logits, strict=True):
            assert torch.equal(actual, score) and actual.shape == (BATCH, LENGTH, 1)
            assert both["quality_score"] is actual

    def test_routers_logits_are_the_bases(self) -> None:
        base, model = pair()
        inputs = padded_batch(model.config)
        with torch.no_grad():
            expected = base(**inputs, output_router_logits=True).router_logits
            actual = model(**inputs).router_logits
        assert len(expected) == len(actual)
        assert all(torch.equal(ours["moe_logits"], theirs) for ours, theirs in zip(actual, expected, strict=True))

    def test_nobody_asks(self) -> None:
        model = gated()
        with torch.no_grad():
            outputs = model(**padded_batch(model.config), output_router_logits=False)
        assert outputs.quality_logits is outputs.router_logits is outputs.quality_loss is outputs.aux_loss is None

    def test_the_configuration_asks_and_the_argument_decides(self) -> None:
        inputs = padded_batch(config())
        for says, model in ((True, gated()), (False, gated(output_router_logits=False))):
            with torch.no_grad():
                assert (model(**inputs).quality_logits is not None) == says
                assert model(**inputs, output_router_logits=not says).quality_logits is None or not says
                assert model.train()(**inputs).quality_logits is not None
                assert model(**inputs, output_router_logits=False).quality_logits is None

    def test_a_tuple_holds_them_as_well(self) -> None:
        model = gated()
        inputs = padded_batch(model.config)
        with torch.no_grad():
            whole, given = model(**inputs), model(**inputs, return_dict=False)
        assert isinstance(given, tuple) and len(given) == len(whole.to_tuple())
        assert torch.equal(given[0], whole.logits) and whole.aux_loss is None  # which nobody asked for
        with torch.no_grad():
            assert model(**inputs, output_router_logits=True).aux_loss is not None

    def test_scores_carry_gradients(self) -> None:
        model = gated()
        torch.stack([each.mean() for each in model(tokens(config())).quality_logits]).sum().backward()
        assert all(gate.gate.weight.grad.any() for gate in gates(model))
        assert model.get_input_embeddings().weight.grad.any()

    def test_scores_are_asked_of_the_layers_that_have_experts(self) -> None:
        model = gated()
        layers = [each for each in model.modules() if hasattr(each, "select_gate")]
        with_gate = [each for each in layers if each.select_gate is not None]
        assert 0 < len(with_gate) == len(gates(model))
        for each in layers:
            experts = any("experts" in name.lower() for name, _ in each.named_parameters())
            assert experts == (each.select_gate is not None)


class TestLosses:
    """Five losses of good ratios, worked out by hand, and what of them the loss of a model has."""

    @pytest.mark.parametrize("by_sample", [False, True])
    @pytest.mark.parametrize("kind", LOSSES)
    def test_quality_losses_are_worked_out_by_hand(
        self, kind: str, by_sample: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SelectGateOlmoeForCausalLM, "quality_loss_function", costs)
        model = gated(quality_loss_type=kind, sample_wise_averaging=by_sample, quality_gate_init_std=0.5)
        inputs = padded_batch(model.config)
        outputs = model(**inputs)
        expected = loss_by_hand(outputs.quality_logits, inputs["attention_mask"], kind, by_sample)
        assert outputs.quality_loss.item() == pytest.approx(expected, abs=2e-6)
        outputs.quality_loss.backward()
        assert all(gate.gate.weight.grad.abs().sum() > 0 for gate in gates(model))

    def test_open_gates_cost_what_they_let_through(self) -> None:
        assert gated(select_gate_init="open")(tokens(config())).quality_loss == 1

    def test_weights_multiply_the_losses(self) -> None:
        model = gated(quality_loss_weight=3.0, router_aux_loss_coef=0.25)
        inputs = padded_batch(model.config)
        labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
        outputs = model(**inputs, labels=labels)
        assert outputs.lm_loss.item() == pytest.approx(cross_entropy_by_hand(outputs.logits, labels), abs=1e-5)
        assert outputs.aux_loss.item() == pytest.approx(3 * outputs.quality_loss.item(), abs=1e-6)
        assert outputs.loss.item() == pytest.approx(outputs.lm_loss.item() + 0.25 * outputs.aux_loss.item(), abs=1e-5)

    def test_the_quality_loss_counts_a_hundredth_of_its_weight(self) -> None:
        ids = tokens(config())
        outputs = gated(quality_loss_weight=1.0)(ids, labels=ids)
        assert outputs.loss.item() - outputs.lm_loss.item() == pytest.approx(
            0.01 * outputs.quality_loss.item(), abs=2e-6
        )

    def test_load_balancing_is_the_bases(self) -> None:
        base, model = pair(enable_load_balancing=True)
        inputs = padded_batch(model.config)
        labels = inputs["input_ids"]
        expected, actual = base(**inputs, output_router_logits=True), model(**inputs, labels=labels)
        assert expected.aux_loss > 0
        quality = 0.5 * actual.quality_loss
        assert_equal_but_for_rounding(actual.aux_loss, expected.aux_loss + quality, HIDDEN)
        assert_equal_but_for_rounding(actual.loss, actual.lm_loss + 0.01 * (expected.aux_loss + quality), HIDDEN)
        without = pair()[1](**inputs, labels=labels)
        assert_equal_but_for_rounding(without.aux_loss, quality, HIDDEN)
        assert_equal_but_for_rounding(without.lm_loss, actual.lm_loss, HIDDEN)

    def test_models_whose_bases_balance_nothing_do(self) -> None:
        fields = {"enable_load_balancing": True, "quality_loss_weight": 0.0}
        inputs = padded_batch(config())
        language_model = gated(**fields)
        with torch.no_grad():
            outputs = language_model.base_model(**inputs, output_router_logits=True)
            expected = language_model(**inputs, output_router_logits=True).aux_loss
        counted = inputs["attention_mask"].flatten().bool()
        logits = torch.cat([each["moe_logits"].flatten(0, -2)[counted] for each in outputs.router_logits]).double()
        names = ("num_experts_per_tok", "moe_topk", "moe_top_k", "moe_k", "top_k_experts")
        number = next(getattr(language_model.config, name) for name in names if hasattr(language_model.config, name))
        chosen = torch.zeros_like(logits).scatter(-1, logits.topk(number).indices, 1.0)
        by_hand = logits.shape[-1] * (chosen.mean(0) * logits.softmax(-1).mean(0)).sum()
        assert outputs.aux_loss.item() == pytest.approx(by_hand.item(), abs=1e-5)
        assert expected.item() == pytest.approx(by_hand.item(), abs=1e-5)

    def test_load_balancing_without_routers_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(SelectGateOlmoeForCausalLM, "_can_record_outputs", {})
        with pytest.raises(ValueError, match="`enable_load_balancing` is True, but must be False here"):
            gated(enable_load_balancing=True)

    def test_a_step_of_generation_has_no_loss(self) -> None:
        model = gated(enable_load_balancing=True)
        ids = tokens(model.config)
        first = model(ids[:, :6], use_cache=True)
        step = model(ids[:, 6:], cache=first.cache, attention_mask=torch.ones_like(ids))
        assert first.quality_loss is not None and step.quality_logits is not None
        assert step.quality_loss is step.aux_loss is None

    def test_accumulated_gradients_are_those_of_the_batch(self) -> None:
        model = gated(quality_loss_weight=100.0)
        ids = tokens(model.config)
        model(ids, labels=ids).loss.backward()
        whole = [weight.grad.clone() for weight in gate_weights(model).values()]
        model.zero_grad()
        for half in ids.split(1):
            model(half, labels=half, num_items_in_batch=BATCH * (LENGTH - 1)).loss.backward()
        for weight, expected in zip(gate_weights(model).values(), whole, strict=True):
            assert torch.allclose(weight.grad, expected, rtol=1e-3, atol=1e-6)

    def test_what_padding_holds_costs_nothing(self) -> None:
        model = gated(sample_wise_averaging=True)
        inputs = padded_batch(model.config)
        other = {**inputs, "input_ids": inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, 7)}
        with torch.no_grad():
            assert_equal_but_for_rounding(model(**other).quality_loss, model(**inputs).quality_loss, HIDDEN)


class TestTraining:
    """Gradients reach what is trained, and training works."""

    @pytest.mark.parametrize("start", ["normal", "open"])
    @pytest.mark.parametrize("scores", [True, False])
    def test_gradients_reach_every_gate(self, start: str, scores: bool) -> None:
        model = gated(select_gate_init=start).train()
        ids = tokens(model.config)
        model(ids, labels=ids, output_router_logits=scores).loss.backward()
        for weight in gate_weights(model).values():
            assert weight.grad.isfinite().all() and weight.grad.abs().sum() > 0

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

    @pytest.mark.parametrize("start", ["normal", "open"])
    def test_gates_alone_can_close(self, start: str) -> None:
        model = gated(select_gate_init=start, quality_loss_weight=1000.0).train()
        ids = tokens(model.config)
        optimizer, losses = torch.optim.AdamW(gate_weights(model).values(), lr=5e-2), []
        for _ in range(10):
            outputs = model(ids, labels=ids)
            losses.append(outputs.quality_loss)
            optimizer.zero_grad()
            outputs.loss.backward()
            optimizer.step()
        assert losses[-1] < 0.95 * losses[0]

    def test_gradient_checkpointing_changes_no_gradient(self) -> None:
        gradients = []
        for checkpointing in (False, True):
            model = gated(quality_loss_weight=10.0).train()
            if checkpointing:
                model.activation_checkpointing_enable({"use_reentrant": False})
            ids = tokens(model.config)
            model(ids, labels=ids, use_cache=False).loss.backward()
            gradients.append({name: weight.grad for name, weight in model.named_parameters()})
        assert_equal_but_for_rounding(gradients[1], gradients[0], HIDDEN)

    def test_gradients_that_are_lost_are_told(self) -> None:
        model = gated().train()
        model.activation_checkpointing_enable({"use_reentrant": True})
        model.enable_input_require_grads()
        ids = tokens(model.config)
        with pytest.raises(ValueError, match="use_reentrant"):
            model(ids, labels=ids, use_cache=False)


class TestSaveLoad:
    """What is saved comes back; what is missing is made new."""

    @pytest.mark.parametrize("model_class", BASES)
    def test_saved_models_come_back(self, model_class: type, tmp_path: Path) -> None:
        model = gated(model_class)
        model.save_pretrained(tmp_path)
        again, info = model_class.from_pretrained(tmp_path, attn_implementation="eager", output_loading_info=True)
        assert not any(info.values())
        assert all(torch.equal(again.state_dict()[name], value) for name, value in model.state_dict().items())
        inputs = padded_batch(model.config)
        assert_equal_but_for_rounding(tensors(again(**inputs)), tensors(model(**inputs)), HIDDEN)

    def test_a_checkpoint_of_the_base_lacks_the_gates_alone(self, tmp_path: Path) -> None:
        base = seeded(OlmoeForCausalLM, base_config())
        base.save_pretrained(tmp_path)
        options = {"select_gate_init": "open", "attn_implementation": "eager"}
        model, info = SelectGateOlmoeForCausalLM.from_pretrained(tmp_path, output_loading_info=True, **options)
        assert info["missing_keys"] == set(gate_weights(model)) and not info["unexpected_keys"]
        assert not any(weight.any() for weight in gate_weights(model).values())
        inputs = padded_batch(model.config)
        expected, actual = (lay_out_anew(each.eval())(**inputs) for each in (base, model))
        assert torch.equal(actual.logits, expected.logits)

    def test_gates_stay_in_float32(self, tmp_path: Path) -> None:
        model = gated()
        model.save_pretrained(tmp_path)
        again = SelectGateOlmoeForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
        for name, weight in gate_weights(again).items():
            assert weight.dtype == torch.float32 and torch.equal(weight, gate_weights(model)[name])
        assert again(tokens(model.config)).logits.isfinite().all()

    def test_models_can_be_built_without_memory(self) -> None:
        with torch.device("meta"):
            base, model = OlmoeForCausalLM(base_config()), SelectGateOlmoeForCausalLM(config())
        held = [sum(not weight.is_meta for weight in each.parameters()) for each in (base, model)]
        assert held[1] == held[0] < len(list(base.parameters()))

    def test_names_of_the_original_become_these(self) -> None:
        weights = dict(gated().state_dict())
        old = {
            name.replace(".mlp.", ".normal_moe.").replace(".select_gate.", ".quality_gate."): each
            for name, each in weights.items()
        }
        renamed = SelectGateOlmoeForCausalLM.rename_select_moe(old)
        assert renamed.keys() == weights.keys() and all(renamed[name] is weights[name] for name in weights)
        name = next(iter(gate_weights(gated())))
        with pytest.raises(ValueError, match="as another tensor of this checkpoint is"):
            SelectGateOlmoeForCausalLM.rename_select_moe(
                {**weights, name.replace(".select_gate.", ".quality_gate."): weights[name]}
            )


class TestAttention:
    """Every attention and every padding gives the same logits and scores."""

    @pytest.mark.parametrize(
        "attention",
        ["sdpa"],
    )
    def test_kinds_of_attention_agree(self, attention: str) -> None:
        eager, other = (gated(attn_implementation=each) for each in ("eager", attention))
        assert other.config._attn_implementation == attention
        inputs = padded_batch(eager.config)
        real = inputs["attention_mask"].bool()
        with torch.no_grad():
            expected, actual = (model(**inputs) for model in (eager, other))
        assert_equal_but_for_rounding(actual.logits[real], expected.logits[real], HIDDEN)
        for one, another in zip(actual.quality_logits, expected.quality_logits, strict=True):
            assert_equal_but_for_rounding(one[real], another[real], HIDDEN)

    def test_padding_is_as_good_as_nothing(self) -> None:
        model = gated()
        inputs, real = padded_batch(model.config), slice(PADDING, None)
        short = {name: values[1:, real] for name, values in inputs.items()}
        padded, bare = (
            model(**inputs, position_ids=positions_of(inputs)),
            model(**short, position_ids=positions_of(short)),
        )
        assert_equal_but_for_rounding(padded.logits[1:, real], bare.logits, HIDDEN)
        for with_padding, without in zip(padded.quality_logits, bare.quality_logits, strict=True):
            assert_equal_but_for_rounding(with_padding[1:, real], without, HIDDEN)

    def test_a_gate_sees_no_token_behind_its_own(self) -> None:
        model = gated()
        ids = tokens(model.config)
        other = ids.clone()
        other[:, 5:] = ids[:, 5:].flip(0)
        with torch.no_grad():
            one, another = model(ids).quality_logits, model(other).quality_logits
        for first, second in zip(one, another, strict=True):
            assert_equal_but_for_rounding(first[:, :5], second[:, :5], HIDDEN)
            assert not torch.equal(first[:, 5:], second[:, 5:])


class TestGeneration:
    """Open gates generate the base's tokens, others the same with a cache and without."""

    def test_a_cache_gives_what_a_whole_pass_gives(self) -> None:
        model = gated()
        ids, cache, steps = tokens(model.config), None, []
        with torch.no_grad():
            whole = model(ids, use_cache=False)
            for place in range(LENGTH):
                steps.append(model(ids[:, place : place + 1], cache=cache, use_cache=True))
                cache = steps[-1].cache
        assert_equal_but_for_rounding(torch.cat([step.logits for step in steps], 1), whole.logits, HIDDEN)
        for layer, values in enumerate(whole.quality_logits):
            assert_equal_but_for_rounding(torch.cat([step.quality_logits[layer] for step in steps], 1), values, HIDDEN)

    @pytest.mark.parametrize(
        "way",
        ["greedy", "beams", "sampled", "uncached", "static cache"],
    )
    def test_texts_equal_the_bases(self, way: str) -> None:
        base, model = pair(enable_load_balancing=True)
        texts = []
        for each in (base, model):
            torch.manual_seed(0)
            texts.append(each.generate(**padded_batch(model.config), **{**GREEDY, **WAYS_TO_GENERATE[way]}))
        assert texts[0].shape == (BATCH, LENGTH + GREEDY["max_new_tokens"])
        assert torch.equal(texts[1], texts[0])

    def test_gated_models_generate_alike_with_a_cache_and_without(self) -> None:
        model = gated()
        ids = tokens(model.config)
        uncached = model.generate(ids, **GREEDY, **WITH_LOGITS, use_cache=False)
        assert_equal_but_for_ties(model.generate(ids, **GREEDY), uncached, HIDDEN)


class TestPlans:
    """Every device has all of a gate: its one number is for all channels."""

    def test_every_gate_is_in_the_plan(self) -> None:
        model = SelectGateOlmoeModel(config())
        planned = {name: style for name, style in model._tp_plan.items() if name.endswith(".select_gate.gate")}
        assert set(planned.values()) == {"replicate"} and len(planned) == 1
        [path] = planned
        patterns = {path.replace("*", str(number)) for number in range(100)}
        assert all(name.removesuffix(".weight") in patterns for name in gate_weights(model))


class TestCompile:
    """`torch.compile` and `torch.export` take the model whole, with its gates."""

    def test_a_forward_pass_compiles_without_a_break(self) -> None:
        model = gated(experts_implementation="batched_mm")
        ids = tokens(model.config)
        asked = {"labels": ids, "use_cache": False}
        eager = model(ids, **asked)
        torch._dynamo.reset()
        compiled = torch.compile(model, fullgraph=True, backend="eager")(ids, **asked)
        assert_equal_but_for_rounding(compiled.logits, eager.logits, HIDDEN)
        assert_equal_but_for_rounding(compiled.loss, eager.loss, HIDDEN)
        assert_equal_but_for_rounding(compiled.quality_logits, eager.quality_logits, HIDDEN)

    def test_a_forward_pass_exports(self) -> None:
        model = gated(experts_implementation="batched_mm")
        inputs = {"input_ids": tokens(model.config), "use_cache": False}
        with torch.no_grad():
            exported = torch.export.export(model, (), inputs, strict=False).module()(**inputs)
            eager = model(**inputs)
        assert_equal_but_for_rounding(exported.logits, eager.logits, HIDDEN)
        assert_equal_but_for_rounding(exported.quality_logits, eager.quality_logits, HIDDEN)
