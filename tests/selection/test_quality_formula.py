"""The quality score against the formula written out, over blocks of any size; padding; batches; scripts; orders; budgets."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from selection.batching import batches, padding_share
from selection.budgets import REASONS, Budget, choose
from selection.quality import add, layer_scores, no_statistics, quality_scores
from selection.ranking import at_random, best_first, clusters, farthest, from_clusters
from selection.writing_systems import writing_system


def by_hand(
    ratios: list[np.ndarray], perplexities: list[np.ndarray], alpha: float, eps: float, tau: float
) -> list[float]:
    """Steps 1 to 4 of the specification, number by number."""
    scores = []
    for g, ppl in zip(ratios, perplexities, strict=True):
        total = sum(p**alpha for p in ppl) + eps
        scores.append([sum(p**alpha / total * value for p, value in zip(ppl, row, strict=True)) for row in g])
    found = [0.0] * len(scores)
    for layer in range(len(scores[0])):
        column = [row[layer] for row in scores]
        low, high, mean = min(column), max(column), sum(column) / len(column)
        level = mean + tau if tau > 0 else max(mean, eps)
        for number, value in enumerate(column):
            found[number] += (value - low) / (max(high - low, eps) * level) / len(scores[0])
    return found


@pytest.mark.parametrize(("alpha", "tau"), [(1.0, 0.0), (0.0, 0.0), (2.0, 0.5)])
def test_scores_are_those_of_the_formula(alpha: float, tau: float) -> None:
    random = np.random.default_rng(0)
    lengths = [3, 1, 8, 5, 2]
    ratios = [random.random((4, length)) for length in lengths]
    for each in ratios:
        each[2] = 0.25  # a layer that is constant
    perplexities = [1 + 20 * random.random(length) for length in lengths]
    rows = np.array([layer_scores(g, ppl, alpha) for g, ppl in zip(ratios, perplexities, strict=True)])
    rows[:, 2] = rows[0, 2]  # and stays so, rounding apart
    statistics = no_statistics(4)
    for start in range(0, 5, 2):
        statistics = add(statistics, rows[start : start + 2])
    found = np.concatenate([quality_scores(rows[start : start + 2], statistics, tau=tau) for start in range(0, 5, 2)])
    without = [np.delete(g, 2, axis=0) for g in ratios]
    expected = np.array(by_hand(without, perplexities, alpha, 1e-8, tau)) * 3 / 4  # a constant layer adds nothing
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_padding_does_not_count() -> None:
    ratios, perplexities = np.array([[0.2, 0.9, 0.7]]), np.array([1.0, 3.0, 0.0])
    found = layer_scores(ratios, perplexities)
    assert found == pytest.approx((0.2 * 1 + 0.9 * 3) / (4 + 1e-8))
    assert found == layer_scores(ratios[:, :2], perplexities[:2])
    assert quality_scores(np.zeros((0, 3)), no_statistics(3)).shape == (0,)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(1, 300), max_size=200), st.integers(1, 2000))
def test_batches_hold_every_document_once_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = batches(lengths, budget)
    assert sorted(each for group in groups for each in group) == list(range(len(lengths)))
    assert all(len(group) == 1 or max(lengths[each] for each in group) * len(group) <= budget for group in groups)


def test_little_is_padding() -> None:
    lengths = np.random.default_rng(0).lognormal(5, 1, 1000).astype(int).clip(1, 2000).tolist()
    assert padding_share(lengths, batches(lengths, 4096)) < 0.05
    naive = [list(range(start, start + 16)) for start in range(0, 992, 16)]
    assert padding_share(lengths, naive) > 0.5


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a word", "Latin"),
        ("слово и word", "Cyrillic"),
        ("漢字", "Han"),
        ("123 !", "none"),
        ("", "none"),
        ("한국어", "Hangul"),
    ],
)
def test_writing_systems(text: str, name: str) -> None:
    assert writing_system(text) == name


def test_equal_keys_go_by_id() -> None:
    ids = np.array(["d", "a", "c", "b", "e", "f"], object)
    asked = []

    def ids_of(rows: np.ndarray) -> np.ndarray:
        asked.extend(rows.tolist())
        return ids[rows]

    keys = np.array([1.0, 2.0, 1.0, 1.0, math.nan, 3.0])
    assert best_first(keys, ids_of).tolist() == [5, 1, 3, 2, 0, 4]
    assert sorted(asked) == [0, 2, 3]


def test_clusters_take_turns() -> None:
    groups, by_score = np.array([0, 0, 0, 1, 1, 2]), np.array([2, 5, 3, 0, 4, 1])
    assert from_clusters(groups, by_score).tolist() == [2, 3, 5, 0, 4, 1]


@pytest.mark.parametrize("wanted", [3, 50])
def test_separate_clusters_are_found_and_duplicates_do_no_harm(wanted: int) -> None:
    features = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    groups = clusters(lambda start, stop: features[start:stop], 15, wanted, 0)
    assert len(set(groups)) == 3 and all(len(set(groups[start : start + 5])) == 1 for start in (0, 5, 10))


def test_the_farthest_is_next() -> None:
    angles = np.radians([0, 10, 80, 45])
    features = np.stack([np.cos(angles), np.sin(angles)], 1)
    assert farthest(features, 4).tolist() == [0, 2, 3, 1]
    assert farthest(np.ones((4, 2)), 3).tolist() == [0, 1, 2]
    assert farthest(features, 0).tolist() == [] and sorted(farthest(features, 99).tolist()) == [0, 1, 2, 3]


ORDER, KEYS = np.array([3, 1, 0, 2, 4]), np.array([3.0, 4.0, 2.0, 5.0, math.nan])
TOKENS, SOURCES = np.array([10, 20, 30, 40, 50]), np.array([0, 0, 1, 0, 1])


def chosen(budget: Budget, quotas: dict[int, Fraction | int] | None = None) -> list[str]:
    return [REASONS[number] for number in choose(ORDER, budget, KEYS, TOKENS, SOURCES, quotas)]


def test_budgets() -> None:
    k, b, t, o, q = "kept", "below-cut", "below-threshold", "token-budget", "source-quota"
    assert chosen(Budget(ratio="0.3")) == [b, k, b, k, b]
    assert chosen(Budget(ratio="0")) == [b] * 5 and chosen(Budget(ratio="1")) == [k] * 5
    assert chosen(Budget(count=9)) == [k] * 5
    assert chosen(Budget(threshold=3.0)) == [k, k, t, k, t]
    assert chosen(Budget(tokens=65)) == [o, k, o, k, o]
    assert chosen(Budget(count=3), {0: 1}) == [q, q, k, k, k]
    assert chosen(Budget(count=2), {0: Fraction("0.5")}) == [q, q, k, k, b]
    assert chosen(Budget(tokens=100), {0: Fraction("0.5")}) == [q, q, k, k, o]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1000), st.integers(0, 100))
def test_a_ratio_is_rounded_up_as_it_is_written(total: int, percent: int) -> None:
    assert Budget(ratio=f"0.{percent:02}" if percent < 100 else "1").documents(total) == -(-total * percent // 100)


def test_the_random_order_is_one_and_depends_on_the_seed() -> None:
    assert sorted(at_random(50, 1)) == list(range(50))
    assert at_random(50, 1).tolist() == at_random(50, 1).tolist() != at_random(50, 2).tolist()
