"""The losses of select gates: five of good ratios against loops, how they are averaged, weighed and balanced."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from select_families import EXPERTS, FAMILIES, MIXTRAL, OLMOE, Family, gates_of, padded

from generated.select_gate_olmoe import select_quality_loss


TYPES = ("sigmoid", "linear", "mse", "beta_moment_matching", "mean_variance_regularization", "custom")


@pytest.fixture(params=FAMILIES, ids=str)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


def custom(ratios: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    assert ratios.shape == mask.shape
    return (ratios - 0.25).abs()


def drawn(layers: int = 3, batch: int = 3, length: int = 5) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """Scores, and a mask that leaves out a sample and the end of another."""
    generator = torch.Generator().manual_seed(0)
    scores = tuple(3 * torch.randn(batch, length, 1, generator=generator) for _ in range(layers))
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[1, 3:] = 0
    mask[2] = 0
    return scores, mask


def worked_out(scores: Any, mask: torch.Tensor, config: Any) -> float:
    """The loss by loops over layers, samples and tokens."""
    costs = {"sigmoid": lambda g: g, "linear": lambda g: g, "mse": lambda g: g * g, "custom": lambda g: abs(g - 0.25)}
    per_layer = []
    for layer in scores:
        rows = [
            [1 / (1 + math.exp(-z)) for z, is_valid in zip(sample.flatten().tolist(), valid.tolist()) if is_valid]
            for sample, valid in zip(layer, mask)
        ]
        ratios = [each for row in rows for each in row]
        mean = sum(ratios) / len(ratios)
        variance = sum((each - mean) ** 2 for each in ratios) / (len(ratios) - 1)
        if config.quality_loss_type == "beta_moment_matching":
            off, wide = mean - config.beta_target_mean, variance - config.beta_target_var
            per_layer.append(config.w_mean * off**2 + config.w_var * wide**2)
        elif config.quality_loss_type == "mean_variance_regularization":
            per_layer.append((mean - 0.5) ** 2 - config.lambda_var * variance)
        else:
            cost = costs[config.quality_loss_type]
            if config.sample_wise_averaging:
                means = [sum(map(cost, row)) / len(row) for row in rows if row]
                per_layer.append(sum(means) / len(means))
            else:
                per_layer.append(sum(map(cost, ratios)) / len(ratios))
    return sum(per_layer) / len(per_layer)


@pytest.mark.parametrize("sample_wise", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_losses_are_what_loops_say(kind: str, sample_wise: bool) -> None:
    scores, mask = drawn()
    own = {"beta_target_mean": 0.3, "beta_target_var": 0.1, "w_mean": 2.0, "w_var": 3.0, "lambda_var": 0.7}
    config = OLMOE.config(quality_loss_type=kind, sample_wise_averaging=sample_wise, **own)
    scores = tuple(each.requires_grad_() for each in scores)
    loss = select_quality_loss(scores, config, mask, custom)
    assert loss.item() == pytest.approx(worked_out(scores, mask, config), abs=1e-6)
    loss.backward()
    for layer in scores:
        gradient = layer.grad.squeeze(-1)
        assert bool(gradient[mask == 1].abs().gt(0).all()) and not gradient[mask == 0].any()


@pytest.mark.parametrize("kind", TYPES)
def test_padding_and_its_length_change_no_loss(kind: str) -> None:
    scores, mask = drawn()
    config = OLMOE.config(quality_loss_type=kind, sample_wise_averaging=True)
    expected = select_quality_loss(scores, config, mask, custom)
    spoilt = tuple(each.masked_fill(mask[..., None] == 0, math.nan) for each in scores)
    assert torch.equal(select_quality_loss(spoilt, config, mask, custom), expected)
    longer = torch.cat([torch.ones(3, 4, dtype=torch.long), mask], 1)  # with a cache of four tokens
    assert torch.equal(select_quality_loss(scores, config, longer, custom), expected)


@pytest.mark.parametrize("kind", TYPES)
def test_nothing_to_judge_costs_nothing(kind: str) -> None:
    scores, mask = drawn()
    config = OLMOE.config(quality_loss_type=kind)
    assert select_quality_loss(scores, config, torch.zeros_like(mask), custom) == 0
    assert select_quality_loss((), config) == 0
    one = torch.zeros_like(mask)
    one[0, 0] = 1
    assert select_quality_loss(scores, config, one, custom).isfinite()


def test_open_gates_are_judged_by_what_they_let_through() -> None:
    scores = (torch.zeros(1, 4, 1),)
    assert select_quality_loss(scores, OLMOE.config()) == 0.5
    assert select_quality_loss(scores, OLMOE.config(select_gate_init="open")) == 1


def test_what_a_loss_cannot_take_is_refused() -> None:
    scores, mask = drawn()
    config = OLMOE.config(quality_loss_type="custom")
    with pytest.raises(ValueError, match="`quality_loss_type` is 'custom', but must be a model class with"):
        select_quality_loss(scores, config, mask)
    config.quality_loss_type = "bce"
    with pytest.raises(ValueError, match="`quality_loss_type` is 'bce', but must be one of sigmoid"):
        select_quality_loss(scores, config, mask)
    with pytest.raises(ValueError, match=r"`attention_mask` has the shape \(2, 5\)"):
        select_quality_loss(scores, OLMOE.config(), mask[:2])


@pytest.mark.parametrize("kind", TYPES)
def test_each_loss_reaches_each_gate(family: Family, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family.gated_class("PreTrainedModel"), "quality_loss_function", custom)
    model = family.gated(quality_loss_type=kind, quality_gate_init_std=0.5)
    model(**padded()).quality_loss.backward()
    for gate in gates_of(model):
        assert gate.gate.weight.grad.abs().sum() > 0


def test_the_loss_of_a_model_is_that_of_its_scores(family: Family) -> None:
    model = family.gated(sample_wise_averaging=True)
    inputs = padded()
    outputs = model(**inputs, labels=inputs["input_ids"])
    expected = select_quality_loss(outputs.quality_logits, model.config, inputs["attention_mask"])
    assert torch.equal(outputs.quality_loss, expected)


def test_the_quality_loss_weighs_a_hundredth_of_its_weight(family: Family) -> None:
    inputs = padded()
    model = family.gated(quality_loss_weight=3.0)
    outputs = model(**inputs, labels=inputs["input_ids"])
    plain = model(**inputs, labels=inputs["input_ids"], output_router_logits=False)
    torch.testing.assert_close(outputs.lm_loss, plain.loss)
    torch.testing.assert_close(outputs.aux_loss, 3 * outputs.quality_loss)
    torch.testing.assert_close(outputs.loss, plain.loss + 0.01 * 3 * outputs.quality_loss)
    assert model(**inputs).loss is None


@pytest.mark.parametrize("coefficient", [0.01, 0.5])
def test_load_balancing_is_the_bases_where_it_is_asked_for(family: Family, coefficient: float) -> None:
    own = {"enable_load_balancing": True, "quality_loss_weight": 2.0}
    base, gated = family.pair(own=own, router_aux_loss_coef=coefficient)
    inputs = {**padded(), "labels": padded()["input_ids"]}
    expected, actual = base(**inputs, output_router_logits=True), gated(**inputs)
    assert expected.aux_loss > 0
    torch.testing.assert_close(actual.aux_loss, expected.aux_loss + 2 * actual.quality_loss)
    torch.testing.assert_close(actual.loss, expected.loss + coefficient * 2 * actual.quality_loss)
    torch.testing.assert_close(actual.lm_loss, base(**inputs, output_router_logits=False).loss)
    gated.config.enable_load_balancing = False
    without = gated(**inputs)
    torch.testing.assert_close(without.aux_loss, 2 * without.quality_loss)
    torch.testing.assert_close(without.loss, without.lm_loss + coefficient * without.aux_loss)


def test_load_balancing_is_what_its_formula_says() -> None:
    """Experts times the sum, over experts, of the share of tokens that choose one and of its mean probability."""
    model = MIXTRAL.gated(enable_load_balancing=True, quality_loss_weight=0.0)
    inputs = padded()
    with torch.no_grad():
        outputs = model(**inputs, output_router_logits=True)
    valid = inputs["attention_mask"].flatten().bool()
    logits = torch.cat([each["moe_logits"][valid] for each in outputs.router_logits])
    chosen = torch.zeros_like(logits).scatter(-1, logits.topk(2).indices, 1.0)
    expected = EXPERTS * (chosen.mean(0) * logits.softmax(-1).mean(0)).sum()
    torch.testing.assert_close(outputs.aux_loss, expected)


@pytest.mark.parametrize("head", ["ForSequenceClassification", "ForTokenClassification"])
def test_heads_whose_bases_balance_nothing_do(head: str) -> None:
    """The formula is the base's, which its language model has alone."""
    fields = {"enable_load_balancing": True, "quality_loss_weight": 0.0}
    model, language_model = MIXTRAL.gated(head, **fields), MIXTRAL.gated(**fields)
    language_model.load_state_dict(model.state_dict(), strict=False)
    inputs = padded()
    labels = torch.zeros((2,) if head == "ForSequenceClassification" else (2, 9), dtype=torch.long)
    expected = language_model(**inputs, output_router_logits=True).aux_loss
    outputs = model(**inputs, labels=labels)
    torch.testing.assert_close(outputs.aux_loss, expected)
    torch.testing.assert_close(outputs.loss, outputs.lm_loss + 0.01 * expected)
    outputs.aux_loss.backward()
    assert model.get_submodule("model.layers.0.mlp.gate").weight.grad.any()


def test_load_balancing_without_routers_is_refused() -> None:
    model_class = OLMOE.gated_class("ForCausalLM")

    class Silent(model_class):
        _can_record_outputs = {}

    with pytest.raises(ValueError, match="`enable_load_balancing` is True, but must be False here"):
        Silent(OLMOE.config(enable_load_balancing=True))


def test_accumulated_gradients_are_those_of_the_batch(family: Family) -> None:
    """Two halves with the same labels, each told how many there are in all."""
    model = family.gated(quality_loss_weight=100.0)
    ids = padded(padding=0)["input_ids"]
    model(ids, labels=ids).loss.backward()
    whole = [gate.gate.weight.grad.clone() for gate in gates_of(model)]
    model.zero_grad()
    for half in ids.split(1):
        model(half, labels=half, num_items_in_batch=2 * (ids.shape[1] - 1)).loss.backward()
    for gate, expected in zip(gates_of(model), whole):
        torch.testing.assert_close(gate.gate.weight.grad, expected, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("checkpointing", [None, {"use_reentrant": False}])
def test_only_gates_are_trained_where_only_they_shall_be(
    family: Family, checkpointing: dict[str, bool] | None
) -> None:
    model = family.gated().train()
    for name, weight in model.named_parameters():
        weight.requires_grad_(".select_gate." in name)
    if checkpointing:
        model.gradient_checkpointing_enable(checkpointing)
    model(**padded(), labels=padded()["input_ids"]).loss.backward()
    trained = [name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()]
    assert len(trained) == 2 and all(".select_gate.gate." in name for name in trained)


def test_checkpointed_gradients_are_the_same(family: Family) -> None:
    found = []
    for checkpoints in (False, True):
        model = family.gated(quality_loss_weight=10.0).train()
        if checkpoints:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model(**padded(), labels=padded()["input_ids"]).loss.backward()
        found.append([gate.gate.weight.grad for gate in gates_of(model)])
    for plain, again in zip(*found):
        torch.testing.assert_close(again, plain)


def test_lost_gradients_are_told(family: Family) -> None:
    model = family.gated().train()
    model.gradient_checkpointing_enable({"use_reentrant": True})
    model.enable_input_require_grads()
    with pytest.raises(ValueError, match="use_reentrant"):
        model(**padded(), labels=padded()["input_ids"])
    model(**padded(), labels=padded()["input_ids"], output_router_logits=False).loss.backward()
    assert all(gate.gate.weight.grad.any() for gate in gates_of(model))  # the path through the experts has them


def test_scores_are_printed(family: Family, capsys: pytest.CaptureFixture[str]) -> None:
    family.gated(quality_loss_debug=True)(**padded())
    said = capsys.readouterr().out
    assert "quality loss of 2 layers" in said and "layer 0: shape (2, 9)" in said


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@pytest.mark.parametrize("of_class", [False, True])
def test_a_loss_of_ones_own_is_the_models(of_class: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = OLMOE.gated(quality_loss_type="custom")
    target = type(model) if of_class else model
    monkeypatch.setattr(target, "quality_loss_function", custom)
    with torch.no_grad():
        outputs = model(**padded(padding=0))
    ratios = torch.stack(outputs.quality_logits).sigmoid()
    torch.testing.assert_close(outputs.quality_loss, (ratios - 0.25).abs().mean())
