"""What tokens get as far as they are not good: noise, or what a module of one's own gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from select_families import FAMILIES, GATES, OLMOE, Family, gates_of, padded, ran, score
from torch import nn


@pytest.fixture(params=FAMILIES, ids=str)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


class Doubling(nn.Module):
    """A trash expert with a weight of its own."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((config.hidden_size,), 2.0))

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.factor * hidden_states


def test_noise_has_the_moments_of_what_the_mixture_reads(family: Family) -> None:
    model = family.gated(trash_expert_mode="noise", hidden_size=2048, num_attention_heads=4)
    gate = gates_of(model)[0]
    hidden = 3 + torch.arange(1, 5)[:, None] * torch.randn(4, 2048)
    hidden.requires_grad_()
    _, ratio, noise = gate(hidden)
    assert not noise.requires_grad and ratio.requires_grad
    torch.testing.assert_close(noise.mean(-1), hidden.mean(-1), atol=0.5, rtol=0)
    torch.testing.assert_close(noise.std(-1), hidden.std(-1), atol=0, rtol=0.1)
    _, _, again = gate(hidden)
    assert not torch.equal(noise, again)  # also in evaluation
    assert gate.trash_of(torch.full((1, 8), 2.0)).sub(2).abs().max() < 1e-6  # no spread, no noise


def test_noise_takes_the_place_of_what_is_not_good() -> None:
    model = OLMOE.gated(trash_expert_mode="noise")
    score(model, -1e4)
    torch.manual_seed(1)
    _, seen = ran(model)
    added = seen["out"] - seen["residual"]
    torch.testing.assert_close(added.mean(), seen["normed"].mean(), atol=0.2, rtol=0)
    assert 0.5 < added.std() / seen["normed"].std() < 1.5


def test_a_module_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(OLMOE.gated_class("PreTrainedModel"), "trash_expert", Doubling)
    model = OLMOE.gated(trash_expert_mode="custom")
    score(model, 0.0)
    _, seen = ran(model)
    expected = seen["residual"] + 0.5 * seen["experts"] + 0.5 * 2 * seen["normed"]
    torch.testing.assert_close(seen["out"], expected)
    model = OLMOE.gated(trash_expert_mode="custom")
    model(**padded(), labels=padded()["input_ids"]).loss.backward()
    assert all(gate.trash.factor.grad.any() for gate in gates_of(model))
    with torch.no_grad():
        gates_of(model)[1].trash.factor.fill_(5.0)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert gates_of(again)[1].trash.factor[0] == 5


def test_functions_make_modules_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        OLMOE.gated_class("ForCausalLM"),
        "trash_expert",
        lambda config: nn.Linear(config.hidden_size, config.hidden_size),
    )
    gates = gates_of(OLMOE.gated(trash_expert_mode="custom"))
    assert len({id(gate.trash) for gate in gates}) == GATES
    assert gates_of(OLMOE.gated(trash_expert_mode="zero"))[0].trash is None


def test_no_module_of_ones_own_is_told(family: Family) -> None:
    model = family.gated(trash_expert_mode="custom")
    with pytest.raises(NotImplementedError, match='`trash_expert_mode` is "custom".*`trash_expert`'):
        model(**padded())
