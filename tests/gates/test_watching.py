"""A training step that leaves the quality loss out is told so, once; one that uses it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from families import FAMILIES, Family, gates, tokens

from transformers import PreTrainedModel
from transformers.utils import logging


Step = Callable[[PreTrainedModel], torch.Tensor]
WITHOUT: dict[str, Step] = {
    "logits alone": lambda model: model(tokens()).logits.float().logsumexp(-1).sum(),
    "a head of its own": lambda model: model.lm_head(model.model(tokens()).last_hidden_state).float().sum(),
}
WITH: dict[str, Step] = {
    "the model's loss": lambda model: model(tokens(), labels=tokens()).loss,
    "the sum": lambda model: (out := model(tokens())).logits.float().sum() + 0.5 * out.quality_loss,
    "the sum of a head of its own": lambda model: (
        (out := model.model(tokens())).last_hidden_state.float().sum() + out.quality_loss
    ),
    "no scores": lambda model: model(tokens(), output_router_logits=False).logits.float().sum(),
    "frozen gates": lambda model: (
        [gate.requires_grad_(False) for gate in gates(model)],
        model(tokens()).logits.float().sum(),
    )[1],
}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    told: list[str] = []
    logger = logging.get_logger("transformers")
    monkeypatch.setattr(type(logger), "warning_once", lambda self, message, *rest: told.append(message))
    yield told


@pytest.mark.parametrize("step", WITHOUT)
def test_a_step_without_the_quality_loss_is_told_so(family: Family, step: str, said: list[str]) -> None:
    model = family.gated().train()
    WITHOUT[step](model).backward()
    [message] = [each for each in said if "without its quality loss" in each]
    assert "trains_gates" in message and "outputs.quality_loss" in message
    for gate in gates(model):  # DistributedDataParallel waits for them
        assert gate.gate.weight.grad is not None and not gate.gate.weight.grad.any()


@pytest.mark.parametrize("step", WITH)
def test_any_other_step_is_not(family: Family, step: str, said: list[str]) -> None:
    model = family.gated().train()
    WITH[step](model).backward()
    assert not [each for each in said if "without its quality loss" in each]


def test_evaluation_is_not(said: list[str]) -> None:
    model = FAMILIES[0].gated()
    model(tokens(), output_router_logits=True).logits.sum().backward()
    assert not [each for each in said if "without its quality loss" in each]
