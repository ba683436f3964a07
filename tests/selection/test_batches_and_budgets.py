"""Batches waste little, budgets keep what they say, and every document has one reason."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from selection.batching import batches, padding_share
from selection.budgets import BELOW, BUDGET, KEPT, QUOTA, REASONS, THRESHOLD, Budget, choose
from selection.ranking import best_first, farthest, from_clusters
from selection.select_cli import main as select


def named(found: np.ndarray) -> list[str]:
    return [REASONS[reason] for reason in found]


def test_like_lengths_are_together_longest_first() -> None:
    assert batches([3, 100, 98, 4, 97], budget=400) == [[1, 2, 4], [3, 0]]
    assert batches([5, 5, 5], budget=100) == [[0, 1, 2]]  # of equal lengths, as they came
    assert batches([], budget=100) == []


@pytest.mark.parametrize(
    ("lengths", "budget", "rows", "groups"),
    [
        ([10, 10], 20, 9, [[0, 1]]),  # exactly full
        ([10, 10], 19, 9, [[0], [1]]),
        ([10, 10, 10], 99, 2, [[0, 1], [2]]),
        ([50], 20, 9, [[0]]),  # longer than any batch: one of its own
        ([50, 1], 20, 9, [[0], [1]]),
        ([100, 95], 200, 9, [[0, 1]]),  # a fortieth is padding
        ([100, 80], 200, 9, [[0], [1]]),  # a tenth would be
        ([100, 80], 3200, 9, [[0, 1]]),  # but this batch is nearly empty
    ],
)
def test_what_goes_into_a_batch(lengths: list[int], budget: int, rows: int, groups: list[list[int]]) -> None:
    assert batches(lengths, budget, rows) == groups


def test_padding_is_what_is_longer_than_its_document() -> None:
    assert padding_share([4, 2, 6], [[0, 1], [2]]) == pytest.approx(2 / 14)
    assert padding_share([4, 4], [[0, 1]]) == 0 and padding_share([], []) == 0


@pytest.mark.parametrize(
    ("budget", "total", "kept"),
    [
        (Budget(ratio="0.3"), 10, 3),
        (Budget(ratio="0.07"), 100, 7),
        (Budget(ratio="0.31"), 10, 4),
        (Budget(ratio="1"), 10, 10),
        (Budget(count=4), 10, 4),
        (Budget(count=40), 10, 10),
        (Budget(count=0), 10, 0),
        (Budget(tokens=7), 10, 10),
    ],
)
def test_a_budget_says_how_many_documents_at_most(budget: Budget, total: int, kept: int) -> None:
    assert budget.documents(total) == kept


ORDER = np.array([3, 1, 0, 2])
KEYS = np.array([0.5, 0.7, np.nan, 0.9])
TOKENS = np.array([30, 20, 5, 10])
SOURCES = np.array([0, 1, 1, 1])


@pytest.mark.parametrize(
    ("budget", "quotas", "reasons"),
    [
        (Budget(count=2), {}, [BELOW, KEPT, BELOW, KEPT]),
        (Budget(threshold=0.7), {}, [THRESHOLD, KEPT, THRESHOLD, KEPT]),  # itself is above; no number is not
        (Budget(tokens=30), {}, [BUDGET, KEPT, BUDGET, KEPT]),  # exactly
        (Budget(tokens=29), {}, [BUDGET, BUDGET, BUDGET, KEPT]),
        (Budget(tokens=35), {}, [BUDGET, KEPT, BUDGET, KEPT]),  # what comes after one that is too long is dropped too
        (Budget(count=3), {1: 1}, [KEPT, QUOTA, QUOTA, KEPT]),
        (Budget(count=2), {1: Fraction(1, 2)}, [KEPT, QUOTA, QUOTA, KEPT]),
        (Budget(count=3), {1: Fraction(1, 2)}, [KEPT, QUOTA, QUOTA, KEPT]),  # of three, rounded down
        (Budget(count=4), {0: 0}, [QUOTA, KEPT, KEPT, KEPT]),
        (Budget(tokens=60), {1: Fraction(1, 2)}, [KEPT, KEPT, QUOTA, KEPT]),  # half of the tokens
        (Budget(threshold=0.1), {1: 1}, [KEPT, QUOTA, THRESHOLD, KEPT]),
    ],
)
def test_each_document_has_the_reason_that_came_first(
    budget: Budget, quotas: dict[int, Fraction | int], reasons: list[str]
) -> None:
    assert named(choose(ORDER, budget, KEYS, TOKENS, SOURCES, quotas)) == reasons


def test_keys_that_are_no_numbers_come_last_and_ids_are_asked_for_ties_alone() -> None:
    asked: list[list[int]] = []

    def ids_of(documents: np.ndarray) -> np.ndarray:
        asked.append(sorted(documents.tolist()))
        return np.array([f"id{9 - each}" for each in documents])

    assert best_first(np.array([1.0, np.nan, 2.0]), ids_of).tolist() == [2, 0, 1] and asked == []
    assert best_first(np.array([1.0, 2.0, 1.0, 3.0]), ids_of).tolist() == [3, 1, 2, 0] and asked == [[0, 2]]


def test_a_cluster_that_is_used_up_is_passed_over() -> None:
    groups, by_score = np.array([0, 0, 0, 1, 2]), np.array([2, 1, 0, 4, 3])
    order = from_clusters(groups, by_score)
    assert order.tolist() == [2, 3, 4, 1, 0] and Counter(order.tolist()) == Counter(range(5))


def test_what_is_taken_is_not_taken_again_and_length_does_not_count() -> None:
    features = np.array([[1.0, 0.0], [100.0, 0.0], [0.0, 1.0], [-0.1, 0.0]])
    assert farthest(features, 4).tolist() == [0, 3, 2, 1]
    assert farthest(np.zeros((3, 2)), 3).tolist() == [0, 1, 2]
    assert farthest(features[:1], 3).tolist() == [0]


@pytest.mark.parametrize("given", [(), ("--keep", "0.5", "--count", "3"), ("--threshold", "1", "--token-budget", "9")])
def test_exactly_one_budget_is_asked_for(
    given: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        select(["--scores", str(tmp_path), "--output", str(tmp_path / "out"), *given])
    said = capsys.readouterr().err
    assert ("is required" in said) if not given else ("not allowed with" in said)
