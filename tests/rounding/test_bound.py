"""The bound of rounding is wide enough for every order of adding up, and too narrow for a defect of 1e-4."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from rounding.comparing import assert_equal_but_for_rounding, assert_equal_but_for_ties, rounding_bound


WIDTHS = (8, 32, 64, 128, 1024, 4096)
EPS = torch.finfo(torch.float32).eps


def sums(products: torch.Tensor) -> list[torch.Tensor]:
    """`[samples, width]` added up forwards, backwards, in lanes, pairwise, and from the smallest to the largest."""
    width = products.shape[1]
    forwards = products.cumsum(1, dtype=torch.float32)[:, -1]
    backwards = products.flip(1).cumsum(1)[:, -1]
    lanes = products.view(len(products), -1, 8).cumsum(1)[:, -1].cumsum(1)[:, -1]
    pairs = products
    while pairs.shape[1] > 1:
        pairs = pairs[:, ::2] + pairs[:, 1::2] if pairs.shape[1] % 2 == 0 else pairs.sum(1, keepdim=True)
    ordered = products.gather(1, products.abs().argsort(1)).cumsum(1)[:, -1]
    assert width == products.numel() // len(products)
    return [forwards, backwards, lanes, pairs[:, 0], ordered]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_order_of_adding_up_is_within_the_bound(width: int) -> None:
    generator = torch.Generator().manual_seed(width)
    products = torch.randn(200, width, generator=generator) * torch.randn(200, width, generator=generator)
    exact = products.double().sum(1)
    found = sums(products)
    for one in found:
        for other in found:
            assert_equal_but_for_rounding(one, other, width)
    largest = max((one.double() - exact).abs().max().item() for one in found)
    assert largest > rounding_bound(width, exact.abs().max().item()) / 1000  # orders do differ: the bound is not idle


@pytest.mark.parametrize("width", WIDTHS)
def test_a_shift_of_1e_4_is_seen(width: int) -> None:
    scores = torch.randn(18, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    assert_equal_but_for_rounding(scores + 0.0, scores, width)
    with pytest.raises(AssertionError, match=f"more than rounding of sums of {width} products explains"):
        assert_equal_but_for_rounding(scores + 1e-4, scores, width)


def test_the_bound_follows_width_size_and_type() -> None:
    assert rounding_bound(64) == 2 * rounding_bound(16) == 64 * EPS
    assert rounding_bound(64, 3.0) == 3 * rounding_bound(64)
    assert rounding_bound(64, dtype=torch.float64) == 64 * torch.finfo(torch.float64).eps
    for half in (torch.bfloat16, torch.float16):  # sums in float32, rounded once
        assert rounding_bound(64, dtype=half) == rounding_bound(64) + torch.finfo(half).eps


def test_one_entry_out_of_many_is_seen() -> None:
    expected = torch.ones(3, 5)
    actual = expected.clone()
    actual[2, 4] += 2 * rounding_bound(32)
    with pytest.raises(AssertionError, match="1 / 15"):
        assert_equal_but_for_rounding(actual, expected, 32)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (torch.ones(2), torch.ones(3)),
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.tensor([1, 2]), torch.tensor([1, 3])),
        (torch.tensor([True]), torch.tensor([False])),
        ((torch.ones(2),), (torch.ones(2), torch.ones(2))),
        ([], (torch.ones(2),)),
        ({"a": torch.ones(2)}, {"b": torch.ones(2)}),
        ({"a": torch.ones(2), "b": torch.ones(2)}, {"a": torch.ones(2)}),
        ({"a": [torch.ones(2)]}, {"a": [torch.zeros(2)]}),
        (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, 2.0])),
        (torch.tensor([1.0, float("inf")]), torch.tensor([1.0, -float("inf")])),
        (torch.tensor([EPS]), torch.tensor([0.0])),
        (None, torch.ones(2)),
        ({"a": torch.ones(2)}, {"a": None}),
    ],
)
def test_what_is_made_otherwise_is_no_rounding(actual: object, expected: object) -> None:
    with pytest.raises(AssertionError):
        assert_equal_but_for_rounding(actual, expected, 1024)


def test_what_is_no_number_equals_itself_and_nothing_equals_nothing() -> None:
    strange = torch.tensor([float("nan"), float("inf"), 1.0])
    assert_equal_but_for_rounding(
        {"a": (strange, torch.ones(0), None)}, {"a": (strange.clone(), torch.ones(0), None)}, 8
    )


def test_failures_say_where() -> None:
    with pytest.raises(AssertionError, match=r"scores\['layers'\]\[1\]: "):
        one, other = [torch.ones(2), torch.ones(2)], [torch.ones(2), torch.zeros(2)]
        assert_equal_but_for_rounding({"layers": one}, {"layers": other}, 8, "scores")


def generated(logits: torch.Tensor, prompt: torch.Tensor) -> SimpleNamespace:
    """What `generate` returns for logits `[batch, new, vocabulary]`."""
    return SimpleNamespace(sequences=torch.cat([prompt, logits.argmax(-1)], 1), logits=tuple(logits.unbind(1)))


PROMPT = torch.tensor([[5, 6], [7, 8]])
LOGITS = torch.tensor([[[1.0, 0.5], [0.2, 0.9]], [[1.0, 1.0 - EPS], [0.1, 0.8]]])


def test_texts_may_part_at_a_tie() -> None:
    expected = generated(LOGITS, PROMPT)
    assert_equal_but_for_ties(expected.sequences.clone(), expected, 32)
    other = expected.sequences.clone()
    other[1, 2:] = torch.tensor([1, 0])  # took the other of two likeliest tokens, and went on in its own way
    assert_equal_but_for_ties(other, expected, 32)


@pytest.mark.parametrize(
    ("row", "place", "token", "said"),
    [(0, 2, 1, "sample 0 takes token 1 at step 0, not 0"), (1, 3, 0, "at step 1"), (0, 1, 9, "prompts differ")],
)
def test_texts_that_part_elsewhere_differ(row: int, place: int, token: int, said: str) -> None:
    expected = generated(LOGITS, PROMPT)
    other = expected.sequences.clone()
    other[row, place] = token
    with pytest.raises(AssertionError, match=said):
        assert_equal_but_for_ties(other, expected, 32)
    with pytest.raises(AssertionError):
        assert_equal_but_for_ties(expected.sequences[:, :-1], expected, 32)
