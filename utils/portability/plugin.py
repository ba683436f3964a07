"""A pytest plugin (`-p portability.plugin`) that runs every test of rendered suites once in each layout it is told.

Weights of models that a test makes lie at one offset, and of those that it loads at another. With `BY_ADDRESS` set, sums
are added up from a place that follows from the address of the weight, as kernels of some processors do: that shows on any
processor what a test leaves to them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from rounding.layout import LINE, lay_out_anew
from torch.nn import functional

from portability.values import Layout
from transformers import PreTrainedModel


LAYOUTS, CAPABILITY, BY_ADDRESS = (f"PORTABILITY_{name}" for name in ("LAYOUTS", "CAPABILITY", "BY_ADDRESS"))


def linear_by_address(linear: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A linear map, [..., inputs] -> [..., outputs]: its sums begin where the address of the weight modulo 64 says."""

    def by_address(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        first = weight.data_ptr() % LINE // 4
        return linear(states.roll(first, -1), weight.roll(first, -1), bias)

    return by_address


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run on other kernels than those that were asked for.

    Raises:
        pytest.UsageError: torch runs with others.
    """
    asked, found = os.environ.get(CAPABILITY, ""), torch.backends.cpu.get_cpu_capability()
    if asked and found != asked:
        raise pytest.UsageError(f"torch runs with {found} kernels, not with {asked}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    layouts = [Layout.parse(each) for each in os.environ[LAYOUTS].split(",")]
    metafunc.parametrize("elsewhere", layouts, ids=str, indirect=True)


@pytest.fixture(autouse=True)
def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One layout, for one test."""
    layout: Layout = request.param
    _move_made(request.module, layout.offset, monkeypatch)
    _move_loaded(layout.of_loaded, monkeypatch)
    before = torch.get_num_threads()
    torch.set_num_threads(layout.threads)
    if os.environ.get(BY_ADDRESS):
        monkeypatch.setattr(functional, "linear", linear_by_address(functional.linear))
    yield
    torch.set_num_threads(before)


def _move_made(suite: ModuleType, offset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = suite.seeded  # every model of a rendered suite comes out of it
    monkeypatch.setattr(suite, "seeded", lambda *args, **more: lay_out_anew(made(*args, **more), offset))


def _move_loaded(offset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    load = vars(PreTrainedModel)["from_pretrained"]  # the classmethod itself

    def moved(cls: type, *args: Any, **more: Any) -> Any:
        loaded = load.__get__(None, cls)(*args, **more)
        lay_out_anew(loaded[0] if isinstance(loaded, tuple) else loaded, offset)
        return loaded

    monkeypatch.setattr(PreTrainedModel, "from_pretrained", classmethod(moved))
