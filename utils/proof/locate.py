"""Where two models part: the first module, in the order of computation, that gives something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from proof.pair import SEED, Pair


@dataclass(frozen=True, slots=True)
class _Seen:
    """One call of a module: by which name, the how manieth, what it took and gave."""

    name: str
    turn: int
    taken: list[torch.Tensor]
    given: list[torch.Tensor]


def first_difference(pair: Pair, call: Callable[[Any], Any]) -> str:
    """The method whose own statements make a call's outcome differ from the base's."""
    expected = {(each.name, each.turn): each for each in _calls(pair.base, call)}
    calls = _calls(pair.converted, call)
    for place, seen in enumerate(calls):
        other = expected.get((pair.base_name(seen.name), seen.turn))
        if other and not same(seen.given, other.given):
            return _shown(pair, _culprit(pair, calls[place:], expected))
    return _shown(pair, "")  # all modules inside agree


def _shown(pair: Pair, name: str) -> str:
    return f"{type(pair.converted.get_submodule(name)).__name__}.forward{f' of {name}' if name else ''}"


def _culprit(pair: Pair, calls: Sequence[_Seen], expected: Mapping[tuple[str, int], _Seen]) -> str:
    """The first module or, where it was given something else already, the nearest one around it that was not."""
    first = calls[0].name
    around = [each for each in calls if each.name == first or first.startswith(f"{each.name}.")]
    known = dict.fromkeys(each.name for each in around)
    for name in sorted(known, key=len, reverse=True):
        seen = next(each for each in around if each.name == name)  # calls end from the inside outwards
        other = expected.get((pair.base_name(name), seen.turn))
        if other and same(seen.taken, other.taken):
            return name
    return ""


def same(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    """Whether tensors `[...]` are equal to the bit, one by one; what is no number equals what is none."""
    return len(ours) == len(theirs) and all(map(equal, ours, theirs))


def equal(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Whether two tensors `[...]` are of one shape and type and equal to the bit, where no number equals no number."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    return torch.equal(ours, theirs) or torch.allclose(ours, theirs, rtol=0, atol=0, equal_nan=True)


def _calls(model: Any, call: Callable[[Any], Any]) -> list[_Seen]:
    with _hooked(model) as seen:
        torch.manual_seed(SEED)
        call(model)
    return seen


@contextmanager
def _hooked(model: Any) -> Iterator[list[_Seen]]:
    """The calls of all modules inside a model, in the order in which they end."""
    seen: list[_Seen] = []
    turns: Counter[str] = Counter()

    def watch(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, taken: Any, named: Any, given: Any) -> None:
            seen.append(_Seen(name, turns[name], list(_copies((taken, named))), list(_copies(given))))
            turns[name] += 1

        return hook

    hooks = [each.register_forward_hook(watch(name), with_kwargs=True) for name, each in model.named_modules() if name]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _copies(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value.detach().clone()
    elif isinstance(value, dict):
        for _, each in sorted(value.items()):
            yield from _copies(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _copies(each)
