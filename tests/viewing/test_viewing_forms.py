"""Pages, notebooks and terminals as text: what a stranger's text can do to them, and how large they are."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console
from seen import NASTY, panel
from viewing.colours import CLOSED, DARK, LIGHT, OPEN, colour_of, ink_on
from viewing.notebook import make_snippet
from viewing.page import make_page, script_json
from viewing.terminal import coloured, print_panel
from viewing.values import Measure, Panel, Token


def test_data_never_ends_the_element_that_holds_it() -> None:
    packed = script_json({"text": NASTY + "\u2028</SCRIPT\ud800"})
    assert not set("<>&\u2028") & set(packed)
    assert json.loads(packed)["text"] == NASTY + "\u2028</SCRIPT\ud800"


def test_a_page_is_whole_and_holds_no_markup_of_the_text() -> None:
    page = make_page('a "title" </title>', [replace(panel(NASTY), title="<b>")])
    assert page.count("<script") == 2 and page.count("</script>") == 2 and "window.hit" in page
    assert "<b>" not in page and "<title>a &quot;title&quot; &lt;/title&gt;</title>" in page
    assert not re.search(r"""(src|href)\s*=|https?://(?!www\.w3\.org/2000/svg)|@import|url\(""", page)


def test_half_a_surrogate_pair_can_be_written() -> None:
    make_page("\ud800", [panel("one \ud800")]).encode("utf-8")


def test_two_thousand_tokens_of_thirty_layers_take_less_than_a_megabyte() -> None:
    page = make_page("long", [panel(" ".join(["letters"] * 2000), rows=30)])
    assert len(page.encode()) < 1_000_000


def test_a_page_is_of_one_measure() -> None:
    with pytest.raises(ValueError, match="one measure"):
        make_page("", [panel(), replace(panel(), measure=Measure("alpha", "alpha", is_plain=True))])
    with pytest.raises(ValueError, match="one panel or more"):
        make_page("", [])


def test_a_panel_has_a_number_for_every_token() -> None:
    with pytest.raises(ValueError, match="1 tokens and 1 rows"):
        Panel("", "a", (Token(0, "a", 0, 1),), ("layer 0",), ((0.0, 1.0),))


def test_values_do_not_overflow() -> None:
    assert panel("a b", 1, [[-1000.0, 1000.0]]).values() == [[0.0, 1.0]]


def test_a_notebook_shows_text_and_numbers_without_script() -> None:
    html = make_snippet(panel("<i>a</i> b", 1, [[0.0, 3.0]]))
    assert "&lt;i&gt;a&lt;/i&gt;" in html and "<i>" not in html and "script" not in html
    assert 'title="&lt;i&gt;a&lt;/i&gt;: 0.5000"' in html and 'title="b: 0.9526"' in html


def test_the_scale_has_two_ends_and_the_page_between() -> None:
    assert [colour_of(value) for value in (0.0, -1.0, 0.5, 1.0, 7.0)] == [CLOSED, CLOSED, LIGHT, OPEN, OPEN]
    assert colour_of(0.5, middle=DARK) == DARK and colour_of(float("nan")) == LIGHT and colour_of(3, 3, 3) == LIGHT
    assert ink_on(LIGHT) == (0, 0, 0) and ink_on(DARK) == (255, 255, 255)


def test_a_terminal_shows_the_text_and_moves_no_cursor() -> None:
    text = coloured(panel("one \x1b[2Jtwo \x07"))
    assert text.plain == "one \\x1b[2Jtwo \\x07"
    out = io.StringIO()
    print_panel(panel("one two", 2, [[0.0, 0.0], [2.0, 4.0]]), Console(file=out, width=80))
    assert "one two" in out.getvalue() and re.search(r"layer 1\D+0\.9314\D+0\.8808\D+0\.9820", out.getvalue())
