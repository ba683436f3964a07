"""The page in a real browser: colours, numbers, keys, and that nothing in a text runs or is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from seen import NASTY, browser_of, model, opened, panel, tokenizer
from viewing.page import make_page
from viewing.scores import quality_scores
from viewing.values import Measure, Panel


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from browser_of()


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page of a nasty text and of a plain one; its test fails on any message of the console and any request."""
    gated, words = model(), tokenizer()
    panels = [quality_scores(gated, words, text).panel() for text in (NASTY, "the plain words")]
    yield from opened(browser, tmp_path, make_page("two texts", panels))


def colours(page: Any) -> list[str]:
    return page.eval_on_selector_all(".token", "all => all.map((one) => getComputedStyle(one).backgroundColor)")


def test_the_text_is_there_to_the_character_and_nothing_of_it_runs(page: Any) -> None:
    assert page.eval_on_selector(".text", "one => one.textContent") == NASTY
    assert page.evaluate("window.hit") is None
    chosen = page.evaluate(
        "() => { getSelection().selectAllChildren(document.querySelector('.text')); return getSelection().toString() }"
    )
    assert chosen.replace("\r", "") == NASTY
    assert page.evaluate("asJson()[0].text") == NASTY


def test_the_slider_changes_colours_and_says_the_row(page: Any) -> None:
    seen = [colours(page)]
    assert page.locator("#row-name").inner_text() == "mean of 3"
    page.locator("#row").focus()
    for row in range(3):
        page.keyboard.press("ArrowRight")
        assert page.locator("#row-name").inner_text() == f"layer {row}"
        seen.append(colours(page))
    assert len({tuple(each) for each in seen}) == 4
    page.locator("#stretch").check()
    assert colours(page) != seen[-1] and "closed" in page.locator("#legend-low").inner_text()


def test_hovering_shows_the_numbers_of_the_json(page: Any) -> None:
    data = page.evaluate("asJson()")
    page.locator("#row").fill("2")
    for number in (1, 4):
        page.locator(f'.panel:nth-child(1) .token[data-token="{number}"]').hover()
        lines = page.locator("#tip").inner_text().split("\n")
        first = data[0]
        assert lines[0] == f"token {number}: {first['tokens'][number]['shown']}"
        assert lines[1:] == [
            f"id: {first['tokens'][number]['id']}",
            "layer 1",
            f"score: {first['score'][1][number]:.4f}",
            f"good ratio: {first['good ratio'][1][number]:.4f}",
            f"perplexity: {first['perplexity'][number]:.4f}",
        ]
    page.locator("h1").hover()
    assert page.locator("#tip").is_hidden()


def test_the_heat_map_says_what_is_under_the_mouse(page: Any) -> None:
    map_ = page.locator(".map").nth(1)
    box = map_.bounding_box()
    tokens = page.evaluate("asJson()[1].tokens.length")
    map_.hover(position={"x": box["width"] * 1.5 / tokens, "y": 2})
    assert page.locator("#tip").inner_text().split("\n")[:3:2] == ["token 1: the", "layer 2"]
    map_.click(position={"x": box["width"] * 1.5 / tokens, "y": box["height"] - 2})
    assert page.locator("#row-name").inner_text() == "layer 0"
    assert "token 1: the" in page.locator(".status").nth(1).inner_text()


def test_keys_choose_tokens_and_rows(page: Any) -> None:
    page.locator(".text").nth(1).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    said = page.locator(".status").nth(1).inner_text()
    assert said.startswith("token 1: the") and "layer 0" in said
    page.keyboard.press("End")
    page.keyboard.press("0")
    last = page.evaluate("asJson()[1].tokens.length") - 1
    assert page.locator(".status").nth(1).inner_text().startswith(f"token {last}: ")
    assert page.locator("#row-name").inner_text() == "mean of 3"


def test_what_is_copied_is_the_json(page: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#copy").click()
    page.locator("#copy", has_text="copied").wait_for()
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == page.evaluate("asJson()")


def test_dark_pages_have_dark_middles(page: Any) -> None:
    light = colours(page)
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark" and colours(page) != light


def test_another_measure_needs_no_other_page(browser: Any, tmp_path: Path) -> None:
    """Scores that are values, rows that are heads, lines that belong to a token: what other kinds of gate show."""
    made = panel("one two", rows=2, scores=[[0.25, 1.5], [2.0, 0.0]])
    measure = Measure("gate value", "gate value", 0.0, 2.0, "shut", "doubled", is_plain=True)
    notes = (("row 17: Anna lives in Oslo",), ())
    made = Panel(
        "heads", made.text, made.tokens, ("layer 0, head 0", "layer 0, head 1"), made.scores, {}, notes, measure
    )
    for page in opened(browser, tmp_path, make_page("heads", [made])):
        page.locator(".token").first.hover()
        lines = page.locator("#tip").inner_text().split("\n")
        assert lines[2:] == ["mean of 2", "gate value: 1.1250", "row 17: Anna lives in Oslo"]
        assert "2.0000 doubled" in page.locator("#legend-high").inner_text()
