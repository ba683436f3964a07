"""Edits of a text: collected, applied once, and none of the rest touched."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syntax.edits import Edit, apply, changed, indented, lead, lines_of, source_of, spelled_out


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), max_size=4))
def test_edits_that_do_not_overlap_can_come_in_any_order(places: list[tuple[int, int]]) -> None:
    taken, edits = 0, []
    for number, (first, length) in enumerate(sorted(places)):
        if first >= taken:
            edits.append(Edit(first, min(first + length, 10), (f"new {number}",)))
            taken = first + length + 1
    lines = [str(number) for number in range(10)]
    expected = apply(lines, edits)
    assert apply(lines, reversed(edits)) == expected
    assert [line for line in expected if not line.startswith("new")] == [
        line for number, line in enumerate(lines) if not any(each.first <= number < each.last for each in edits)
    ]


def test_of_several_edits_at_one_place_the_earlier_go_first() -> None:
    assert apply(["a", "b"], [Edit(1, 1, ("first",)), Edit(1, 1, ("second",))]) == ["a", "first", "second", "b"]


@pytest.mark.parametrize(
    ("text", "number", "line"),
    [
        ("a = 1\nb = 2", 1, 1),
        ("a = 1\n\n# why\nb = 2", 1, 1),
        ("# top\nb = 2", 0, 0),
        ("if a:\n    # under the header\n    b = 2", 0, 0),
    ],
)
def test_comments_and_blank_lines_above_belong_to_a_statement(text: str, number: int, line: int) -> None:
    assert lead(text.split("\n"), ast.parse(text).body[number]) == line


def test_comments_under_the_header_of_a_block_belong_to_what_is_below() -> None:
    text = "if a:\n    # under the header\n    b = 2"
    [branch] = ast.parse(text).body
    assert isinstance(branch, ast.If)
    assert lead(text.split("\n"), branch.body[0]) == 1


def test_sources_keep_their_letters_and_take_other_texts() -> None:
    text = 'x = "é漢" + f(\n    y,  # ü\n    z,\n)'
    [statement] = ast.parse(text).body
    names = {node.id: node for node in ast.walk(statement) if isinstance(node, ast.Name)}
    assert source_of(text, names["y"]) == "y"
    assert lines_of(text, statement, {names["y"]: "ÿ", names["z"]: "1"}) == text.replace("    y", "    ÿ").replace(
        "z,", "1,"
    ).split("\n")
    assert changed(text, (0, 1), {}) == "x"


def test_empty_lines_are_not_indented() -> None:
    assert indented("a\n\nb\n", 4) == ("    a", "", "    b")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("output = 2 * output", "h = 2 * h.view(s)"),
        ("output = ratio.to(output.dtype) * output", "h = ratio.to(h.dtype) * h.view(s)"),
        ("other = output.sum()", "other = h.view(s).sum()"),
    ],
)
def test_a_splice_is_spelled_out_for_what_its_site_offers(body: str, expected: str) -> None:
    assert spelled_out(body, {"output": "h.view(s)"}, {"output": "h"}) == expected
