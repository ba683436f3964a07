"""The one bound within which results are compared that arithmetic does not settle to the last bit.

A float32 sum depends on the order in which it is added up, and a matrix product is free in that order: kernels pick one by the
address of a weight modulo 64, by the number of threads, by the instruction set and by the shape of the batch. A weight that
was loaded lies at another address than one that was made, so that on an AMD EPYC with AVX-512 the scores of a saved model
and of the model that came back differ in their last bits, and neither is wrong. (`docs/tests.md`, "What is compared how".)

Adding up `width` products rounds `width` times, each time by at most half an ulp of what has been added up so far, up or down
alike: such errors grow with the square root of their number. So two orders lie about `sqrt(width)` ulps of the largest number
apart; `STEPS` of these are let pass, since an output has been through several such sums.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch


STEPS = 8


def rounding_bound(width: int, size: float = 1.0, dtype: torch.dtype = torch.float32) -> float:
    """How far apart two results of the same sums may lie.

    Args:
        width: products in a sum, such as the hidden size of a model.
        size: the largest number among the results, in magnitude.
        dtype: the type of the results. One of half precision adds one rounding of its own: its sums are added up in float32.
    """
    step = torch.finfo(dtype).eps
    of_sums = min(step, torch.finfo(torch.float32).eps)
    return (STEPS * math.sqrt(width) * of_sums + (step if step > of_sums else 0.0)) * size


def assert_equal_but_for_rounding(actual: Any, expected: Any, width: int, what: str = "results") -> None:
    """Demand that tensors, or sequences and mappings of them, differ by `rounding_bound` of each tensor at most.

    Names, lengths, shapes and types have to be equal, and whatever is no floating point number is compared to the bit.
    None equals None alone: a weight that got no gradient.

    Args:
        actual, expected: tensors of any shape, or dicts, lists or tuples of them, alike in structure.
        width: products in a sum, such as the hidden size of a model.
        what: the name that a failure calls them by.

    Raises:
        AssertionError: they differ by more, or are not made alike.
    """
    if isinstance(expected, Mapping):
        assert isinstance(actual, Mapping) and actual.keys() == expected.keys(), f"{what}: other names"
        for name, value in expected.items():
            assert_equal_but_for_rounding(actual[name], value, width, f"{what}[{name!r}]")
    elif isinstance(expected, Sequence):
        assert isinstance(actual, Sequence) and len(actual) == len(expected), f"{what}: another number of them"
        for place, (one, other) in enumerate(zip(actual, expected)):
            assert_equal_but_for_rounding(one, other, width, f"{what}[{place}]")
    elif expected is None or actual is None:
        assert actual is expected, f"{what}: {'nothing' if actual is None else 'something'} was found"
    else:
        _compare(actual, expected, width, what)


def _compare(actual: torch.Tensor, expected: torch.Tensor, width: int, what: str) -> None:
    allowed = 0.0
    if expected.is_floating_point() and expected.numel():
        numbers = expected.detach()[expected.detach().isfinite()].abs()
        allowed = rounding_bound(width, numbers.max().item() if numbers.numel() else 0.0, expected.dtype)

    def said(message: str) -> str:
        return f"{what}: {message}\nmore than rounding of sums of {width} products explains"

    torch.testing.assert_close(actual, expected, rtol=0.0, atol=allowed, equal_nan=True, msg=said)


def assert_equal_but_for_ties(actual: torch.Tensor, expected: Any, width: int) -> None:
    """Demand the same greedy text, up to where the model found two tokens equally likely but for rounding.

    Texts that were computed in batches of another shape, with a cache or without, may take either token there, and go on
    differently.

    Args:
        actual: tokens `[batch, prompt + new]`.
        expected: what `generate` returns with `return_dict_in_generate` and `output_logits`.
        width: products in a sum, such as the hidden size of the model.

    Raises:
        AssertionError: the texts part at a token that the logits settle, or their prompts differ.
    """
    logits = torch.stack(expected.logits, 1)
    assert actual.shape == expected.sequences.shape, f"{list(actual.shape)}, not {list(expected.sequences.shape)}"
    prompt = actual.shape[1] - logits.shape[1]
    assert torch.equal(actual[:, :prompt], expected.sequences[:, :prompt]), "the prompts differ"
    for row, (taken, wanted) in enumerate(zip(actual[:, prompt:], expected.sequences[:, prompt:])):
        if (taken != wanted).any():
            step = int((taken != wanted).nonzero()[0])
            found = logits[row, step].float()
            gap = (found[wanted[step]] - found[taken[step]]).abs().item()
            allowed = rounding_bound(width, found[found.isfinite()].abs().max().item(), logits.dtype)
            said = f"sample {row} takes token {int(taken[step])} at step {step}, not {int(wanted[step])}"
            assert gap <= allowed, f"{said}: {gap:.3g} less likely, of which rounding explains {allowed:.3g}"
