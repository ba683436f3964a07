"""What anchors mean in a function, and which are refused."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_deltas import forward, function
from weave.anchors import CHUNKS, Misfit, assigned_above, first_argument, fits, follow, parse, target_of


def found(body: str, reads: str = "self.mlp", scales: str = "self.mlp", into: str | None = None) -> list[tuple]:
    """The blocks of a forward with a gate: lines of both statements, what is given, what is scaled."""
    each = follow(function(forward(body)), reads, scales, into)
    return [
        (one.block[one.reads].lineno, one.block[one.scales].lineno, ast.unparse(one.given), ast.unparse(one.target))
        for one in each
    ]


def refused(body: str, reads: str = "self.mlp", scales: str = "self.mlp", into: str | None = None) -> tuple[str, int]:
    with pytest.raises(Misfit) as problem:
        found(body, reads, scales, into)
    return str(problem.value), problem.value.line


@pytest.mark.parametrize(
    ("anchor", "code", "count"),
    [
        ("self.mlp", "self.mlp(x) + self.mlp", 1),  # a callee means its calls, not itself
        ("self.mlp", "self.mlp(x, y=1) + self.mlp()", 2),
        ("self.mlp(x)", "self.mlp(x) + self.mlp(y)", 1),  # a call means that very call
        ("residual + x", "(residual+x) * 2", 1),
        ("residual + x", "x + residual", 0),
        ("self.experts[0]", "self.experts[0](x)", 1),
        ("self.chunk", f"{CHUNKS}(self.chunk, 1, 2, x)", 1),
        ("F.dropout", "F.dropout(x, p=0.1)", 1),
    ],
)
def test_what_an_anchor_fits(anchor: str, code: str, count: int) -> None:
    assert len(fits(ast.parse(code), anchor)) == count


def test_fits_come_in_the_order_of_the_text() -> None:
    assert [each.col_offset for each in fits(ast.parse("g(f(1), f(2)) + f(3)"), "f")] == [2, 8, 16]


SPACES = st.sampled_from(["", " ", "  ", "\n", " \n   ", "\t", "  # why\n "])
TOKENS = {
    "self.mlp": ["self", ".", "mlp"],
    "residual + hidden_states.view(residual.shape)": [
        "residual",
        "+",
        "hidden_states",
        ".",
        "view",
        "(",
        "residual",
        ".",
        "shape",
        ")",
    ],
    "self.mixer(x, cache=None)": ["self", ".", "mixer", "(", "x", ",", "cache", "=", "None", ")"],
    "-x[0] * 2": ["-", "x", "[", "0", "]", "*", "2"],
}


@given(st.sampled_from(sorted(TOKENS)), st.lists(SPACES, min_size=16, max_size=16))
def test_the_layout_of_an_anchor_never_matters(anchor: str, spaces: list[str]) -> None:
    laid_out = "".join(space + token for space, token in zip(spaces, TOKENS[anchor])) + spaces[-1]
    assert ast.dump(parse(laid_out)) == ast.dump(parse(anchor))


@pytest.mark.parametrize(
    "anchor", ["", " ", "x = 1", "x; y", "a b", "x) + (y", "*x", "x\x00", "def f(): pass", "k=1", "(", "# no"]
)
def test_what_is_no_expression_is_refused(anchor: str) -> None:
    with pytest.raises(Misfit, match="is not one Python expression"):
        parse(anchor)


def test_the_innermost_block_with_both_is_the_gates() -> None:
    body = """
    if self.sparse:
        x = self.mlp(x)
        x = self.drop(x)
    else:
        x = x
    x = self.drop(x)
    """
    assert found(body, scales="self.drop") == [(3, 4, "x", "self.drop(x)")]


def test_an_outer_block_where_the_inner_one_has_no_fit() -> None:
    body = """
    if self.sparse:
        y = self.mlp(x)
    else:
        y = self.mlp(x)
    y = self.norm(y)
    """
    assert found(body, scales="self.norm") == [(2, 6, "x", "self.norm(y)")]


def test_a_gate_in_each_branch_that_has_both() -> None:
    body = """
    if self.parallel:
        x = self.mlp(x)
    else:
        y = self.mlp(z)
    """
    assert found(body) == [(3, 3, "x", "self.mlp(x)"), (5, 5, "z", "self.mlp(z)")]


def test_branches_of_match_are_branches() -> None:
    body = """
    match self.form:
        case "a":
            x = self.mlp(x)
        case _:
            x = self.mlp(x)
    """
    assert [each[:2] for each in found(body)] == [(4, 4), (6, 6)]


def test_blocks_of_with_lead_to_what_is_in_them() -> None:
    body = """
    with self.context():
        x = self.mlp(x)
    return x
    """
    assert found(body) == [(3, 3, "x", "self.mlp(x)")]


def test_into_counts_only_behind_the_part() -> None:
    body = """
    x = residual + x
    x = self.mlp(x)
    x = residual + x
    """
    assert found(body, into="residual + x") == [(3, 4, "x", "residual + x")]


@pytest.mark.parametrize(
    ("body", "words", "message", "line"),
    [
        ("x = self.ffn(x)", {}, "no call of `self.mlp` in it", 1),
        ("x = self.mlp(x)", {"scales": "self.drop"}, "no `self.drop` behind `self.mlp`", 2),
        ("x = self.drop(x)\nx = self.mlp(x)", {"scales": "self.drop"}, "no `self.drop` behind `self.mlp`", 3),
        ("x = self.mlp(x)\nx = self.mlp(x)", {}, "`self.mlp` fits 2 times", 3),
        (
            "x = self.mlp(x)\nx = self.drop(x)\nx = self.drop(x)",
            {"scales": "self.drop"},
            "`self.drop` fits 2 times behind `self.mlp`",
            4,
        ),
        (
            "x = self.mlp(x)\nif a:\n    x = self.drop(x)\n    x = self.drop(x)",
            {"scales": "self.drop"},
            "`self.drop` fits 2 times in one statement",
            3,
        ),
        ("if a:\n    x = self.mlp(x)\nx = self.mlp(x)", {}, "fits 2 times", 4),
        ("try:\n    x = self.mlp(x)\nexcept E:\n    x = self.mlp(x)", {}, "fits 2 times", 5),  # both may run
        ("try:\n    x = self.mlp(x)\nfinally:\n    x = self.mlp(x)", {}, "fits 2 times", 5),
        ("for y in x:\n    x = self.mlp(y)", {}, "stands in a loop", 3),
        ("while self.mlp(x):\n    pass", {}, "stands in a loop", 2),
        ("x = [self.mlp(y) for y in x]", {}, "stands in a loop", 2),
        ("def f(y):\n    return self.mlp(y)\nx = f(x)", {}, "stands in a function of its own", 3),
        ("x = run(lambda: self.mlp(x))", {}, "stands in a function of its own", 2),
        ("x = self.mlp(x)\nx = 1", {"into": "a b"}, "`a b` is not one Python expression", 1),
    ],
)
def test_what_is_refused_and_where(body: str, words: dict[str, str], message: str, line: int) -> None:
    said, place = refused(body, **words)
    assert message in said and place == line


def test_what_a_loop_goes_through_is_called_once() -> None:
    assert found("for y in self.mlp(x):\n    z = y")[0][:2] == (2, 2)


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("f(x, y)", "x"),
        ("f(hidden_states=x)", "x"),
        ("f(self.norm(x))", "self.norm(x)"),
        (f"{CHUNKS}(self.chunk, 1, 2, x)", "x"),
    ],
)
def test_what_a_call_is_given_first(code: str, given: str) -> None:
    assert ast.unparse(first_argument(parse(code))) == given


def test_a_call_without_arguments_gives_a_gate_nothing_to_read() -> None:
    with pytest.raises(Misfit, match="is given nothing that a gate could read"):
        first_argument(parse("f()"))


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("x = 1", "x"),
        ("x: int = 1", "x"),
        ("x += 1", "x"),
        ("x, y = f()", "x"),
        ("self.x = 1", None),
        ("return x", None),
        ("if a:\n    x = 1\nelse:\n    x = 2", "x"),
        ("if a:\n    x = 1\nelif b:\n    x = 3\nelse:\n    x = 2", "x"),
        ("if a:\n    x = 1\nelse:\n    y = 2", None),
        ("match a:\n    case 1:\n        x = 1\n    case _:\n        x = 2", "x"),
        ("with a:\n    x = 1", "x"),
        ("for x in y:\n    x = 1", None),
    ],
)
def test_the_name_that_a_statement_assigns(statement: str, name: str | None) -> None:
    assert target_of(ast.parse(statement).body[0]) == name


def test_a_name_that_changes_above_an_expression_in_its_block() -> None:
    [statement] = ast.parse("if a:\n    x = norm(x)\n    y = f(x)\n    x = 1").body
    [call] = fits(statement, "f")
    assert assigned_above(statement, call, "x").lineno == 2
    assert assigned_above(statement, call, "y") is None
