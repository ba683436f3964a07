"""Weights are moved to where they are asked to lie, and nothing else about a model changes."""

from __future__ import annotations

import pytest
import torch
from rounding.layout import LINE, lay_out_anew
from torch import nn


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head, self.norm = nn.Embedding(7, 5), nn.Linear(5, 7, bias=False), nn.BatchNorm1d(5)
        self.head.weight = self.embed.weight
        self.narrow = nn.Parameter(torch.randn(3, dtype=torch.bfloat16), requires_grad=False)
        self.empty = nn.Parameter(torch.empty(0))
        self.register_buffer("across", torch.randn(4, 6).T)


@pytest.mark.parametrize("offset", range(0, LINE, 4))
def test_weights_lie_at_the_offset(offset: int) -> None:
    model = Toy()
    before = {name: (value.clone(), value.stride()) for name, value in model.state_dict().items()}
    parameters = list(model.parameters())
    assert lay_out_anew(model, offset) is model
    assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name][0]) and value.dtype is before[name][0].dtype, name
        if value.numel():
            width = value.element_size()
            assert value.data_ptr() % LINE == offset // width * width, name
    assert model.head.weight is model.embed.weight and model.embed.weight.requires_grad
    assert model.across.is_contiguous() and model.narrow.is_contiguous()


def test_weights_shared_by_memory_stay_shared() -> None:
    model = nn.ModuleList([nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)])
    model[1].weight.data = model[0].weight.data
    lay_out_anew(model, 4)
    assert model[0].weight.data_ptr() == model[1].weight.data_ptr()


def test_weights_without_memory_are_left_alone() -> None:
    model = nn.Linear(3, 3, device="meta")
    assert all(each.is_meta for each in lay_out_anew(model).parameters())
