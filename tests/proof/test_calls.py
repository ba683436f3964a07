"""The calls of a proof, on models of a few lines."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from proof.calls import LENGTH, SPLIT, Lacking, as_tuple, cached, padded, renamed, scored
from torch import nn


class Gate(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Toy(nn.Module):
    """Counts what it is given; its cache is the number of tokens so far."""

    def __init__(self, asks_gates: bool = True, returned: str = "cache", taken: str = "cache") -> None:
        super().__init__()
        self.gates = nn.ModuleList([Gate(), Gate()])
        self.asks_gates, self.returned, self.taken = asks_gates, returned, taken
        self.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=128))
        self.calls: list[dict[str, Any]] = []

    def forward(self, input_ids: torch.Tensor, output_router_logits: bool = False, **kwargs: Any) -> dict[str, Any]:
        self.calls.append({"input_ids": input_ids, **kwargs})
        for gate in self.gates if output_router_logits and self.asks_gates else self.gates[:1]:
            gate(input_ids)
        before = kwargs.get(self.taken) or 0
        return {"logits": input_ids + before, self.returned: before + input_ids.shape[1]}


def test_every_gate_has_to_give_scores() -> None:
    assert set(scored("Gate")(Toy())) == {"logits"}
    with pytest.raises(Lacking, match=r"gates\.1 gives no scores"):
        scored("Gate")(Toy(asks_gates=False))
    assert scored("NoGate")(Toy(asks_gates=False)), "a base has none"


def test_a_tuple_is_told_by_its_places() -> None:
    model = Toy()
    model.forward = lambda return_dict, **inputs: (None, inputs["input_ids"])[return_dict:]
    assert set(as_tuple(model)) == {"entry 1"}
    with pytest.raises(Lacking, match="it gives no tuple"):
        as_tuple(Toy())


@pytest.mark.parametrize("masked", [False, True])
def test_a_cached_step_goes_on_from_the_cache(masked: bool) -> None:
    model = Toy()
    steps = cached(["cache"], "cache", masked)(model)
    first, last = model.calls
    assert (first["input_ids"].shape[1], last["input_ids"].shape[1], last["cache"]) == (SPLIT, LENGTH - SPLIT, SPLIT)
    assert torch.equal(steps["step.logits"], last["input_ids"] + SPLIT)
    assert "step.cache" in steps
    if masked:
        assert (first["attention_mask"].shape[1], last["attention_mask"].shape[1]) == (SPLIT, LENGTH)
        assert torch.equal(last["attention_mask"], padded(model)["attention_mask"])
    else:
        assert "attention_mask" not in last


def test_a_cache_by_its_old_name_is_passed_on_but_missed() -> None:
    model = Toy(returned="past")
    assert "step.cache" not in cached(["cache", "past"], "cache", masked=False)(model)
    assert model.calls[1]["cache"] == SPLIT
    with pytest.raises(Lacking, match="the output has no `cache`"):
        cached(["cache"], "cache", masked=False)(model)


def test_an_input_is_given_by_its_old_name() -> None:
    model = Toy()
    renamed("mask", "attention_mask")(model)
    assert "attention_mask" not in model.calls[0]
    assert torch.equal(model.calls[0]["mask"], padded(model)["attention_mask"])
    with pytest.raises(Lacking, match="no input here is called `pixels`"):
        renamed("pixel", "pixels")(model)
