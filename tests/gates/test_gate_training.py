"""Gates learn, through every way of saving memory, and only from what should teach them."""

from __future__ import annotations

from logging import Logger

import pytest
import torch
from families import HIDDEN, Family, gates, left_padded, tokens
from rounding.comparing import assert_equal_but_for_rounding


LABELS = {
    "ForCausalLM": {"labels": tokens()},
    "ForSequenceClassification": {"labels": torch.tensor([0, 1])},
    "ForTokenClassification": {"labels": tokens() % 2},
    "ForQuestionAnswering": {"start_positions": torch.tensor([1, 2]), "end_positions": torch.tensor([3, 4])},
}


def gradients(model: torch.nn.Module) -> list[torch.Tensor | None]:
    return [gate.gate.weight.grad for gate in gates(model)]


def step(model: torch.nn.Module, **more: object) -> list[torch.Tensor | None]:
    model.zero_grad()
    batch, mask = left_padded(tokens(), 3)
    model(batch, attention_mask=mask, labels=batch, **more).loss.backward()
    return gradients(model)


def test_training_reaches_every_gate(family: Family) -> None:
    model = family.gated().train()
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in step(model))
    assert not any(gradient.any() for gradient in step(model, output_router_logits=False))  # nor None: see below


def test_idle_gates_get_gradients_of_zero_and_change_none(family: Family) -> None:
    """Without a gradient, training in several processes hangs or cannot be resumed."""
    for head in ("ForCausalLM", *family.heads):
        base, gated = (model.train() for model in family.pair(head))
        torch.manual_seed(0)  # a head has dropout
        expected = base(tokens(), **LABELS[head]).loss
        torch.manual_seed(0)
        loss = gated(tokens(), **LABELS[head], output_router_logits=False).loss
        assert torch.equal(loss, expected), head
        loss.backward()
        expected.backward()
        assert not any(gradient.any() for gradient in gradients(gated)), head
        weights = dict(gated.named_parameters())
        for name, weight in base.named_parameters():
            assert torch.equal(weights[name.replace("transformer.", "model.")].grad, weight.grad), (head, name)


def test_weights_that_another_process_keeps_are_left_alone(family: Family) -> None:
    model = family.gated().train()
    gates(model)[0].gate.weight = torch.nn.Parameter(torch.empty(0))  # as ZeRO-3 leaves it between layers
    absent, present = step(model, output_router_logits=False)
    assert absent is None and not present.any()


def test_every_head_trains_its_gates(family: Family) -> None:
    for head in family.heads:
        model = family.gated(head).train()
        outputs = model(tokens(), **LABELS[head])
        assert_equal_but_for_rounding(outputs.loss, outputs.lm_loss + 0.5 * outputs.quality_loss, HIDDEN)
        outputs.loss.backward()
        assert all(gradient.abs().sum() > 0 for gradient in gradients(model)), head


def test_checkpointing_gives_the_same_gradients(family: Family) -> None:
    model = family.gated().train()
    expected = step(model)
    model.gradient_checkpointing_enable()
    for one, other in zip(step(model), expected):
        assert_equal_but_for_rounding(one, other, HIDDEN)


@pytest.mark.parametrize("trained", ["all", "gates"])
def test_reentrant_checkpointing_is_refused(family: Family, trained: str) -> None:
    model = family.gated().train()
    if trained == "gates":
        model.requires_grad_(False)
        for gate in gates(model):
            gate.requires_grad_(True)
    model.gradient_checkpointing_enable({"use_reentrant": True})
    with pytest.raises(ValueError, match="no gradients.*use_reentrant.*output_router_logits=False"):
        step(model)
    if trained == "all":
        step(model, output_router_logits=False)
    with torch.no_grad():
        assert model(tokens()).quality_loss > 0


def test_training_what_no_gate_sees_is_not_mistaken_for_that(family: Family) -> None:
    model = family.gated().train().requires_grad_(False)
    model.model.norm.requires_grad_(True)
    assert step(model) == [None, None]
    assert model.model.norm.weight.grad.abs().sum() > 0


def test_labels_open_and_close_gates(family: Family) -> None:
    model = family.gated(quality_gate_init_std=0).train()
    loss = {label: model(tokens(), quality_targets=torch.full((2,), label)).quality_loss for label in (0.0, 1.0)}
    assert_equal_but_for_rounding(loss[0.0], torch.tensor(0.5), HIDDEN)
    down, up = (torch.autograd.grad(each, gates(model)[0].gate.weight, retain_graph=True)[0] for each in loss.values())
    assert_equal_but_for_rounding(down, -up, HIDDEN)


def test_accumulated_gradients_are_those_of_the_batch(family: Family) -> None:
    model = family.gated(quality_loss_weight=2).train()
    batch = tokens(4)
    model(batch, labels=batch).loss.backward()
    expected = gradients(model)
    model.zero_grad()
    for part in batch.split(1):
        model(part, labels=part, num_items_in_batch=torch.tensor(batch[:, 1:].numel())).loss.backward()
    for one, other in zip(gradients(model), expected):
        assert_equal_but_for_rounding(one, other, HIDDEN)


def test_gates_that_only_close_are_warned_of_once(family: Family, warned: list[str]) -> None:
    Logger.warning_once.cache_clear()
    step(family.gated().train(), quality_targets=torch.tensor([0, 1]))
    step(family.gated(quality_gate_mode="scale_ffn").train())
    step(family.gated(quality_loss_type="beta_moment_matching").train())
    step(family.gated().train(), output_router_logits=False)
    with torch.no_grad():
        family.gated()(tokens(), labels=tokens(), output_router_logits=True)
    assert "quality loss closes every gate" not in "".join(warned)
    step(family.gated().train())
    step(family.gated().train())
    (warning,) = [each for each in warned if "quality loss closes every gate" in each]
    assert "quality_targets" in warning and "scale_ffn" in warning and "output_router_logits=False" in warning


def test_labels_that_cannot_be_used_are_warned_of(family: Family, warned: list[str]) -> None:
    Logger.warning_once.cache_clear()
    for fields in ({"sample_wise_averaging": False}, {"quality_loss_type": "beta_moment_matching"}):
        model = family.gated(**fields).train()
        plain = model(tokens()).quality_loss
        assert "`quality_targets` are ignored" not in "".join(warned)
        assert torch.equal(model(tokens(), quality_targets=torch.tensor([0, 1])).quality_loss, plain)
        assert "`quality_targets` are ignored" in "".join(warned)
        warned.clear()
        Logger.warning_once.cache_clear()


def test_scale_ffn_scales_the_feed_forward_network(family: Family) -> None:
    base, open_half = family.pair(quality_gate_mode="scale_ffn", quality_gate_init_std=0)
    assert not torch.allclose(open_half(tokens()).logits, base(tokens()).logits)
    for layer in base.model.layers:
        (layer.post_feedforward_layernorm if family.name == "gemma3" else layer.mlp).register_forward_hook(halved)
    assert_equal_but_for_rounding(open_half(tokens()).logits, base(tokens()).logits, HIDDEN)


def halved(module: torch.nn.Module, args: object, output: object) -> object:
    return (output[0] / 2, *output[1:]) if isinstance(output, tuple) else output / 2


def test_scale_ffn_teaches_the_gates_without_scores(family: Family) -> None:
    model = family.gated(quality_gate_mode="scale_ffn").train()
    assert all(gradient.abs().sum() > 0 for gradient in step(model, output_router_logits=False))
