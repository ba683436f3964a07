"""The quality loss against sums written out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from families import Family
from rounding.comparing import assert_equal_but_for_rounding, rounding_bound


LINEAR = ("linear", "sigmoid", "mse")
MOMENTS = ("beta_moment_matching", "mean_variance_regularization")
TOKENS = 15  # in the sums of a layer: samples by places
MASK = [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]]  # the last sample has no token


def scores(layers: int = 3, batch: int = 3, length: int = 5) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randn(batch, length, 1, generator=generator).requires_grad_() for _ in range(layers))


def ratios_of_samples(layer: torch.Tensor, mask: Sequence[Sequence[int]]) -> list[list[float]]:
    ratios = layer.detach().sigmoid().squeeze(-1).tolist()
    samples = [[ratio for ratio, valid in zip(row, kept) if valid] for row, kept in zip(ratios, mask)]
    return samples


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def within_rounding(expected: float) -> Any:
    """Equal to `expected` but for the order of adding up ratios, which are at most 1."""
    return pytest.approx(expected, rel=0, abs=rounding_bound(TOKENS))


def loss_of(family: Family, logits: tuple[torch.Tensor, ...], mask: Any = None, *more: Any, **fields: Any) -> Any:
    mask = None if mask is None else torch.as_tensor(mask)
    return family.modeling.quality_classification_loss(logits, family.config(**fields), mask, False, *more)


@pytest.mark.parametrize("kind", LINEAR)
def test_mean_of_samples(family: Family, kind: str) -> None:
    power = 2 if kind == "mse" else 1
    per_layer = [
        mean([mean([ratio**power for ratio in sample]) for sample in ratios_of_samples(layer, MASK) if sample])
        for layer in scores()
    ]
    assert loss_of(family, scores(), MASK, quality_loss_type=kind).item() == within_rounding(mean(per_layer))


@pytest.mark.parametrize("kind", LINEAR)
def test_mean_of_tokens(family: Family, kind: str) -> None:
    power = 2 if kind == "mse" else 1
    per_layer = [
        mean([ratio**power for sample in ratios_of_samples(layer, MASK) for ratio in sample]) for layer in scores()
    ]
    loss = loss_of(family, scores(), MASK, quality_loss_type=kind, sample_wise_averaging=False)
    assert loss.item() == within_rounding(mean(per_layer))


@pytest.mark.parametrize("sample_wise", [True, False])
def test_no_mask_is_a_plain_mean(family: Family, sample_wise: bool) -> None:
    expected = torch.stack(scores()).sigmoid().mean().item()
    assert loss_of(family, scores(), sample_wise_averaging=sample_wise).item() == within_rounding(expected)


def test_beta_moments(family: Family) -> None:
    fields = {"beta_target_mean": 0.25, "beta_target_var": 0.1, "w_mean": 2, "w_var": 3}
    expected = []
    for layer in scores():
        ratios = [ratio for sample in ratios_of_samples(layer, MASK) for ratio in sample]
        center = mean(ratios)
        variance = sum((ratio - center) ** 2 for ratio in ratios) / (len(ratios) - 1)
        expected.append(2 * (center - 0.25) ** 2 + 3 * (variance - 0.1) ** 2)
    loss = loss_of(family, scores(), MASK, quality_loss_type="beta_moment_matching", **fields)
    assert loss.item() == within_rounding(mean(expected))


def test_mean_and_variance(family: Family) -> None:
    expected = []
    for layer in scores():
        ratios = [ratio for sample in ratios_of_samples(layer, MASK) for ratio in sample]
        center = mean(ratios)
        variance = sum((ratio - center) ** 2 for ratio in ratios) / (len(ratios) - 1)
        expected.append((center - 0.5) ** 2 - 0.3 * variance)
    loss = loss_of(family, scores(), MASK, quality_loss_type="mean_variance_regularization", lambda_var=0.3)
    assert loss.item() == within_rounding(mean(expected))


@pytest.mark.parametrize("kind", ["linear", "mse"])
@pytest.mark.parametrize("balance", [0, 0.2, 1, 2])
def test_labels_pull_their_samples_open(family: Family, kind: str, balance: float) -> None:
    power = 2 if kind == "mse" else 1
    mask = [[1] * 5, [0, 0, 1, 1, 1], [1, 1, 0, 0, 0], [0] * 5]
    logits = scores(batch=4)
    expected = []
    for layer in logits:
        closed, opened, unknown, _ = ratios_of_samples(layer, mask)
        expected.append(
            (
                balance * mean([ratio**power for ratio in closed])
                + (2 - balance) * mean([(1 - ratio) ** power for ratio in opened])
                + mean([ratio**power for ratio in unknown])
            )
            / 3
        )
    for labels in (torch.tensor([0, 1, -100, 1]), torch.tensor([0.0, 1.0, math.nan, 1.0])):
        loss = loss_of(family, logits, mask, labels, quality_loss_type=kind, quality_loss_balance=balance)
        assert loss.item() == within_rounding(mean(expected))
        assert torch.autograd.grad(loss, logits[0])[0].isfinite().all()


@pytest.mark.parametrize("kind", ["linear", "mse", *MOMENTS])
@pytest.mark.parametrize("sample_wise", [True, False])
def test_padding_on_either_side_changes_nothing(family: Family, kind: str, sample_wise: bool) -> None:
    fields = {"quality_loss_type": kind, "sample_wise_averaging": sample_wise}
    logits = scores(batch=2, length=4)
    bare = loss_of(family, logits, **fields)
    for padding in ((0, 0, 2, 0), (0, 0, 0, 2)):  # (.., before, after) of the token dimension
        padded = tuple(torch.nn.functional.pad(layer, padding, value=9.0) for layer in logits)
        mask = torch.nn.functional.pad(torch.ones(2, 4), padding[2:])
        assert_equal_but_for_rounding(loss_of(family, padded, mask, **fields), bare, TOKENS)


def test_packed_samples_count_as_samples(family: Family) -> None:
    positions = torch.tensor([[0, 1, 2, 0, 1, 0, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1, 0]])
    logits = scores(batch=1, length=8)
    expected = []
    for layer in logits:
        ratios = layer.detach().sigmoid().flatten().tolist()
        expected.append(mean([mean(ratios[:3]), mean(ratios[3:5]), mean(ratios[5:7])]))
    assert loss_of(family, logits, mask, None, positions).item() == within_rounding(mean(expected))
    whole = loss_of(family, logits, mask, None, torch.arange(8)[None])
    assert_equal_but_for_rounding(whole, loss_of(family, logits, mask), TOKENS)


@pytest.mark.parametrize("kind", [*LINEAR, *MOMENTS])
def test_every_layer_gets_finite_gradients(family: Family, kind: str) -> None:
    logits = scores()
    loss = loss_of(family, logits, MASK, quality_loss_type=kind)
    for layer, gradient in zip(logits, torch.autograd.grad(loss, logits)):
        assert gradient.isfinite().all() and gradient[0].abs().sum() > 0, layer
        assert gradient[1, :2].abs().sum() == gradient[2].abs().sum() == 0


@pytest.mark.parametrize("kind", [*LINEAR, *MOMENTS])
@pytest.mark.parametrize("valid", [0, 1])
def test_a_batch_of_next_to_nothing(family: Family, kind: str, valid: int) -> None:
    mask = torch.zeros(3, 5, dtype=torch.long)
    mask[0, :valid] = 1
    logits = scores()
    loss = loss_of(family, logits, mask, quality_loss_type=kind)
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, logits))
    assert loss.item() == 0 if not valid else loss.isfinite()


def test_no_scores_are_no_loss(family: Family) -> None:
    assert loss_of(family, None).item() == loss_of(family, ()).item() == 0


def test_half_precision_scores_are_averaged_in_float32(family: Family) -> None:
    logits = tuple(layer.detach().bfloat16() for layer in scores())
    expected = loss_of(family, tuple(layer.float() for layer in logits), MASK)
    assert torch.equal(loss_of(family, logits, MASK), expected)


def test_masks_of_a_cache_are_cut_and_masks_of_attention_ignored(family: Family) -> None:
    longer = torch.tensor([[1] * 3 + row for row in MASK])
    assert_equal_but_for_rounding(loss_of(family, scores(), longer), loss_of(family, scores(), MASK), TOKENS)
    assert_equal_but_for_rounding(loss_of(family, scores(), torch.ones(3, 1, 5, 5)), loss_of(family, scores()), TOKENS)
    for shape in ((3, 4), (2, 5)):
        with pytest.raises(ValueError, match=r"`attention_mask` has the shape .*\(3, 5 or more\)"):
            loss_of(family, scores(), torch.ones(shape))


def test_unknown_loss_names_the_known_ones(family: Family) -> None:
    config = family.config()
    config.quality_loss_type = "liner"
    with pytest.raises(ValueError, match="'liner'.*linear, sigmoid, mse, beta_moment_matching, mean_variance"):
        family.modeling.quality_classification_loss(scores(), config)


def test_debugging_prints_every_fifth_layer(family: Family, capsys: pytest.CaptureFixture[str]) -> None:
    family.modeling.quality_classification_loss(scores(layers=7), family.config(), None, True)
    header, *lines = capsys.readouterr().out.splitlines()
    assert "7 layers" in header
    assert [line.split(":")[0].strip() for line in lines] == ["layer 0", "layer 5"]
    assert all(word in lines[0] for word in ("(3, 5, 1)", "min", "max", "mean", "loss"))


@pytest.mark.parametrize("kind", [*LINEAR, *MOMENTS])
def test_padding_may_hold_anything(family: Family, kind: str) -> None:
    mask = torch.tensor(MASK)
    clean = scores()
    dirty = tuple(torch.where(mask.bool()[..., None], layer, torch.nan).detach().requires_grad_() for layer in clean)
    loss = loss_of(family, dirty, mask, quality_loss_type=kind)
    assert torch.equal(loss, loss_of(family, clean, mask, quality_loss_type=kind))
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, dirty))
