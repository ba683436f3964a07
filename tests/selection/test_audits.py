"""The numbers of an audit at their edges, and the page that shows them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from selection.audit import Chosen, audit
from selection.page import page


EMPTY_TAGS = {"meta"}


def chosen(quality: list[float], kept: int, **more: Any) -> Chosen:
    """Documents of these qualities, the best of them kept."""
    values = np.array(quality, np.float64)
    order = np.argsort(-values, kind="stable")
    mask = np.zeros(len(values), bool)
    mask[order[:kept]] = True
    given: dict[str, Any] = {
        "perplexity": np.full(len(values), np.nan, np.float32),
        "tokens": np.arange(1, len(values) + 1, dtype=np.int32),
        "sources": np.zeros(len(values), np.int32),
        "scripts": np.zeros(len(values), np.int32),
        "source_names": ["web"],
        "script_names": ["Latin"],
    }
    return Chosen(quality=values, kept=mask, order=order, **(given | more))


def test_ranks_of_equal_values_are_their_mean() -> None:
    tokens = np.array([1, 2, 2, 3], np.int32)
    found = audit(chosen([1.0, 2.0, 3.0, 4.0], 2, tokens=tokens), {})["rank_correlation"]
    # Ranks 1 2 3 4 and 1 2.5 2.5 4: covariance 1.125 over the root of 1.25 * 1.125.
    assert found["length"] == pytest.approx(1.125 / (1.25 * 1.125) ** 0.5)
    assert found["perplexity"] is None  # nobody has one


@pytest.mark.parametrize("quality", [[0.5, 0.5, 0.5], [0.7]], ids=["all alike", "one document"])
def test_what_cannot_be_ranked_has_no_correlation(quality: list[float]) -> None:
    numbers = audit(chosen(quality, 1), {})
    assert numbers["rank_correlation"] == {"length": None, "perplexity": None}
    assert numbers["by_source"][0]["near_constant"] is False  # the only source there is


def test_overlaps_are_of_as_many_documents() -> None:
    perplexity = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    quality = [4.0, 3.0, 2.0, 1.0]
    assert audit(chosen(quality, 2, perplexity=perplexity), {})["overlap"]["perplexity"] == 1.0
    assert audit(chosen(quality[::-1], 2, perplexity=perplexity), {})["overlap"]["perplexity"] == 0.0
    assert audit(chosen(quality, 0), {})["overlap"] == {"perplexity": None, "random": None}
    assert audit(chosen(quality, 4), {})["overlap"] == {"perplexity": None, "random": 1.0}


def test_documents_without_perplexity_are_the_last_that_it_would_take() -> None:
    perplexity = np.array([np.nan, 9.0, np.nan, 8.0], np.float32)
    numbers = audit(chosen([1.0, 2.0, 3.0, 4.0], 2, perplexity=perplexity), {})
    assert numbers["overlap"]["perplexity"] == 0.5  # it takes the second and the fourth
    assert sum(part["documents"] for part in numbers["by_perplexity"]) == 2


def test_a_curve_of_few_documents_keeps_one_at_least() -> None:
    curve = audit(chosen([1.0, 3.0, 2.0], 1), {})["keep_rate_curve"]
    assert [row["cut"] for row in curve[:6]] == [3.0] * 6 and curve[-1] == {"ratio": 1.0, "cut": 1.0, "tokens": 1.0}
    assert [row["tokens"] for row in curve] == sorted(row["tokens"] for row in curve)


@pytest.mark.parametrize("totals", [{}, {"tokens": 0, "seconds": 3}, {"tokens": 5, "seconds": 0}, {"tokens": None}])
def test_a_cost_that_nobody_measured_is_none(totals: dict[str, Any]) -> None:
    assert set(audit(chosen([1.0], 1), totals)["cost"].values()) == {None}


def test_tenths_of_one_value_are_one_part() -> None:
    parts = audit(chosen([1.0, 2.0], 1, tokens=np.array([7, 7], np.int32)), {})["by_length"]
    assert [(part["low"], part["high"], part["documents"], part["keep_rate"]) for part in parts] == [
        (7.0, 7.0, 2, 0.5)
    ]


class Shape(HTMLParser):
    """Counts elements, and sees to it that each that begins ends."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.texts: list[str] = []
        self.points: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.points += [value or "" for name, value in attrs if name == "points"]
        if tag not in EMPTY_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []


def test_a_page_is_whole_and_shows_what_strangers_called_their_data() -> None:
    name = "a<b>&\"'</td>"
    shown = Shape(page(audit(chosen([1.0, 2.0, 3.0], 1, source_names=[name]), {}), {"method": "<random>"}))
    assert shown.open == [] and name in shown.texts and "Selection by <random>" in shown.texts
    assert len(shown.points) == 1 and len(shown.points[0].split(" ")) == 20
    assert shown.counts["svg"] == 2 and "No numbers." in shown.texts  # of lengths, and none of perplexities
    assert shown.counts["rect"] == 3 and shown.texts.count("unknown") == 4


def test_a_page_stays_small_however_many_sources_there_are() -> None:
    count = 201
    numbers = audit(
        chosen(
            [float(each) for each in range(count)],
            9,
            sources=np.arange(count, dtype=np.int32),
            source_names=[f"source{each:03}" for each in range(count)],
        ),
        {},
    )
    text = page(numbers, {"method": "quality"})
    assert "source199" in text and "source200" not in text and "<p>and 1 more, in audit.json</p>" in text


def test_a_source_whose_scores_say_nothing_is_warned_of() -> None:
    quality = [0.0, 1.0, 2.0, 3.0, 1.5, 1.5, 1.5, 1.5]
    sources = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.int32)
    numbers = audit(chosen(quality, 2, sources=sources, source_names=["lively", "f&lat"]), {})
    assert 'class="warning">f&amp;lat: its scores are nearly constant' in page(numbers, {"method": "quality"})
    assert "lively: its scores" not in page(numbers, {"method": "quality"})
