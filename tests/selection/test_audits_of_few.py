"""An audit of few documents, of equal ones and of none: numbers that are known, and None where nothing is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from selection.audit import Chosen, audit
from selection.quality import add, no_statistics, quality_scores


def chosen(quality: list[float], kept: list[bool], **changed: Any) -> Chosen:
    values, count = np.array(quality), len(quality)
    given: dict[str, Any] = {
        "perplexity": np.full(count, np.nan),
        "tokens": np.arange(1, count + 1),
        "sources": np.zeros(count, int),
        "scripts": np.zeros(count, int),
    }
    given = {**given, **changed}
    order = np.argsort(-values, kind="stable")
    return Chosen(
        values,
        kept=np.array(kept, bool),
        order=order,
        source_names=["a", "none", "b"],
        script_names=["Latin"],
        **given,
    )


def test_nothing_is_known_of_no_documents() -> None:
    found = audit(chosen([], []), {})
    assert (found["documents"], found["kept"], found["kept_tokens"]) == (0, 0, 0)
    assert found["keep_rate_curve"] == found["by_length"] == found["by_source"] == []
    assert found["overlap"] == {"perplexity": None, "random": None}
    assert set(found["rank_correlation"].values()) == set(found["cost"].values()) == {None}


def test_sources_without_documents_are_left_out_and_others_have_their_quantiles() -> None:
    found = audit(chosen([0.0, 1.0, 2.0, 3.0], [False, True, False, True], sources=np.array([0, 0, 0, 2])), {})
    first, last = found["by_source"]
    assert (first["name"], first["documents"], first["kept"], first["quality"]) == ("a", 3, 1, 1.0)
    assert (first["p10"], first["p50"], first["p90"]) == pytest.approx((0.2, 1.0, 1.8))
    assert (last["name"], last["near_constant"], last["deviation"]) == (
        "b",
        False,
        0.0,
    )  # one alone is constant by nature
    assert (found["tokens"], found["kept_tokens"]) == (10, 6)


@pytest.mark.parametrize(
    ("quality", "tokens", "correlation"),
    [
        ([1.0, 2.0, 3.0], [1, 2, 30], 1.0),  # by rank
        ([3.0, 2.0, 1.0], [1, 2, 3], -1.0),
        ([1.0, 1.0, 2.0, 2.0], [1, 2, 1, 2], 0.0),  # equal values share their rank
        ([1.0, 2.0, 2.0, 3.0], [1, 2, 3, 4], np.sqrt(0.9)),
        ([1.0, 1.0], [1, 2], None),
        ([1.0], [1], None),
        ([np.nan, 1.0, 2.0], [9, 1, 2], 1.0),
    ],
)
def test_ranks_are_compared_where_both_are_known(
    quality: list[float], tokens: list[int], correlation: float | None
) -> None:
    found = audit(chosen(quality, [True] * len(quality), tokens=np.array(tokens)), {})["rank_correlation"]
    assert (
        found["length"] == (None if correlation is None else pytest.approx(correlation))
        and found["perplexity"] is None
    )


@pytest.mark.parametrize(
    "totals", [{}, {"tokens": 5}, {"seconds": 5}, {"tokens": 0, "seconds": 5}, {"tokens": 5, "seconds": None}]
)
def test_a_cost_that_was_not_measured_is_none(totals: dict[str, Any]) -> None:
    assert set(audit(chosen([1.0], [True]), totals)["cost"].values()) == {None}


def test_kept_documents_are_compared_with_the_lowest_perplexities() -> None:
    perplexity = np.array([1.0, 2.0, np.nan, 3.0])
    found = audit(chosen([1.0, 2.0, 3.0, 4.0], [True, False, True, False], perplexity=perplexity), {})
    assert found["overlap"]["perplexity"] == 0.5
    everything = audit(chosen([1.0, 2.0], [True, True]), {})["overlap"]
    assert everything == {"perplexity": None, "random": 1.0}


def test_statistics_do_not_depend_on_blocks_and_no_block_changes_none() -> None:
    scores = np.random.default_rng(0).random((7, 3))
    whole = add(no_statistics(3), scores)
    parts = add(add(add(no_statistics(3), scores[:4]), scores[:0]), scores[4:])
    assert (whole.count, parts.count) == (7, 7)
    for name in ("low", "high", "total"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
    assert np.array_equal(no_statistics(2).mean, np.zeros(2))
    assert np.isfinite(quality_scores(np.zeros((2, 3)), add(no_statistics(3), np.zeros((2, 3))))).all()
