"""Scores are computed, recorded and returned where they are asked for, and nowhere else."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import pytest
import torch
from families import HIDDEN, LAYERS, Family, gates, left_padded, tokens
from rounding.comparing import assert_equal_but_for_rounding
from torch import nn

from transformers.utils import ModelOutput


@contextmanager
def counted_calls(model: nn.Module) -> Iterator[list[nn.Module]]:
    """The gates that ran inside the block."""
    called: list[nn.Module] = []
    hooks = [gate.register_forward_hook(lambda gate, *_: called.append(gate)) for gate in gates(model)]
    yield called
    for hook in hooks:
        hook.remove()


def heads_of(family: Family) -> list[str]:
    return ["Model", "ForCausalLM", *family.heads]


def test_every_architecture_returns_scores_when_asked(family: Family) -> None:
    for head in heads_of(family):
        model = family.gated(head)
        outputs = model(tokens(), output_router_logits=True)
        assert isinstance(outputs, ModelOutput) and type(outputs).__name__.startswith("QualityGate"), head
        assert [each.shape for each in outputs.quality_logits] == [(2, 9, 1)] * LAYERS, head
        assert outputs.quality_loss.ndim == 0 and 0 < outputs.quality_loss < 1, head
        assert "lm_loss" not in outputs, head


def test_no_architecture_runs_its_gates_unasked(family: Family) -> None:
    for head in heads_of(family):
        model = family.gated(head)
        with counted_calls(model) as called:
            outputs = model(tokens())
        assert not called, head
        assert outputs.quality_logits is None and outputs.quality_loss is None and outputs.router_logits is None, head


def test_each_gate_runs_once_when_asked(family: Family) -> None:
    model = family.gated()
    with counted_calls(model) as called:
        model(tokens(), output_router_logits=True)
    assert called == gates(model)


@pytest.mark.parametrize(
    ("argument", "in_config", "training", "expected"),
    [
        (None, False, False, False),
        (None, False, True, True),
        (None, True, False, True),
        (False, True, True, False),
        (True, False, False, True),
    ],
)
def test_argument_then_config_then_training_decide(
    family: Family, argument: bool | None, in_config: bool, training: bool, expected: bool
) -> None:
    model = family.gated(output_router_logits=in_config).train(training)
    assert (model(tokens(), output_router_logits=argument).quality_logits is not None) == expected


def test_router_logits_are_the_experts_where_there_are_any(family: Family) -> None:
    for head in ("Model", "ForCausalLM"):
        outputs = family.gated(head)(tokens(), output_router_logits=True)
        if family.has_experts:
            assert [each.shape for each in outputs.router_logits] == [(18, 4)] * LAYERS
        else:
            assert outputs.router_logits is outputs.quality_logits
    assert (outputs.aux_loss is not None) == family.has_experts


def test_scores_of_training_leave_the_experts_loss_alone(family: Family) -> None:
    outputs = family.gated().train()(tokens(), labels=tokens())
    assert outputs.quality_logits is not None
    assert outputs.aux_loss is None
    assert (outputs.router_logits is None) == family.has_experts


def test_loss_is_the_sum_of_its_parts(family: Family) -> None:
    model = family.gated(quality_loss_weight=3)
    outputs = model(tokens(), labels=tokens(), output_router_logits=True)
    balance = model.router_aux_loss_coef * outputs.aux_loss if family.has_experts else 0
    assert_equal_but_for_rounding(outputs.loss, outputs.lm_loss + balance + 3 * outputs.quality_loss, HIDDEN)
    assert_equal_but_for_rounding(outputs.lm_loss, model(tokens(), labels=tokens()).loss, HIDDEN)


def test_tuples_hold_the_bases_values_first(family: Family) -> None:
    for head in heads_of(family):
        base, gated = family.pair(head)
        outputs = gated(tokens(), output_router_logits=True)
        names = [each.name for each in fields(base(tokens()))]
        assert [each.name for each in fields(outputs)][: len(names)] == names, head
        scored = gated(tokens(), return_dict=False, output_router_logits=True)
        assert isinstance(scored, tuple) and len(scored) == len(outputs), head
        assert torch.equal(scored[list(outputs).index("quality_loss")], outputs.quality_loss), head
        assert len(gated(tokens(), return_dict=False)) == len(base(tokens(), return_dict=False)), head


def test_scores_are_what_the_gate_says_of_the_normed_input(family: Family) -> None:
    model = family.gated()
    norm = "pre_feedforward_layernorm" if family.name == "gemma3" else "post_attention_layernorm"
    seen = []
    for layer in model.model.layers:
        getattr(layer, norm).register_forward_hook(lambda *call: seen.append(call[-1]))
    outputs = model(tokens(), output_router_logits=True)
    for hidden_states, layer, scores in zip(seen, model.model.layers, outputs.quality_logits):
        assert_equal_but_for_rounding(scores, hidden_states @ layer.quality_gate.gate.weight.T, HIDDEN)


def test_gate_returns_score_and_good_ratio(family: Family) -> None:
    gate = family.gated_class("Gate")(family.config())
    assert gate.gate.bias is None and gate.gate.weight.shape == (1, 32)
    score, ratio = gate(torch.randn(2, 5, 32))
    assert score.shape == ratio.shape == (2, 5, 1)
    assert torch.equal(ratio, score.sigmoid())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_scores_stay_in_float32_beside_half_precision(family: Family, dtype: torch.dtype) -> None:
    gate = family.gated_class("Gate")(family.config())
    hidden_states = torch.randn(2, 5, 32).to(dtype)
    score, ratio = gate(hidden_states)
    assert score.dtype == ratio.dtype == torch.float32
    assert_equal_but_for_rounding(score, hidden_states.float() @ gate.gate.weight.T, HIDDEN)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(gate(hidden_states)[0], score)
    extreme, ratio = gate.to(dtype)(hidden_states * 0 + torch.finfo(dtype).max)
    assert not extreme.isnan().any() and not ratio.isnan().any()


def test_forward_names_the_arguments_that_trainer_looks_for(family: Family) -> None:
    for head in heads_of(family):
        forward = family.gated_class(head).forward
        parameters = list(inspect.signature(forward).parameters)
        assert {"input_ids", "attention_mask", "quality_targets", "output_router_logits"} <= set(parameters), head
        assert parameters[-1] == "kwargs", head


def test_shapes_that_do_not_fit_are_refused(family: Family) -> None:
    model = family.gated()
    with pytest.raises(ValueError, match=r"`quality_targets` has the shape \(3,\).*: \(2,\)"):
        model(tokens(), quality_targets=torch.ones(3))
    for mask in (torch.ones(2, 12), torch.ones(2, 5), torch.ones(1, 9)):
        with pytest.raises(ValueError, match=r"`attention_mask` has the shape .*: \(2, 9\)"):
            model(tokens(), attention_mask=mask.long())


def test_masked_tokens_change_no_score_of_others(family: Family) -> None:
    model = family.gated()
    batch, mask = left_padded(tokens(), 3)
    noise = torch.where(mask == 0, 5, batch)
    one, other = (model(each, attention_mask=mask, output_router_logits=True) for each in (batch, noise))
    for quiet, noisy in zip(one.quality_logits, other.quality_logits, strict=True):
        assert_equal_but_for_rounding(quiet[1, 3:], noisy[1, 3:], HIDDEN)  # sums run over what is masked, too
    assert_equal_but_for_rounding(one.quality_loss, other.quality_loss, HIDDEN)
