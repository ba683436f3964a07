"""The forwards of layers with their gate, by the forms that bases have."""

from __future__ import annotations

from textwrap import dedent

import pytest
from toy_deltas import forward, kind
from weave.anchors import Misfit
from weave.place import Place
from weave.splice import splice


SCORE = """\
if output_quality_logits or self.scale_ffn:
    _, good_ratio = self.quality_gate({source}, output_quality_logits)
"""
SCALE = """\
if self.scale_ffn:
    {name} = good_ratio.to({name}.dtype) * {name}
"""
SCALE_NORM = SCALE.replace("ffn:", "ffn:  # after the norm, which would undo it")


def score(source: str) -> str:
    return SCORE.format(source=source)


def scale(name: str) -> str:
    return SCALE.format(name=name)


def gated(body: str, **words: str) -> str:
    """The body of a forward with a gate, at the left margin."""
    text = splice(forward(body), Place(**words), kind().splices).text
    return dedent(text.partition("\n")[2])


def check(body: str, expected: str, **words: str) -> None:
    assert gated(body, **words) == dedent(expected).lstrip("\n")
    compile(forward(expected), "expected", "exec")


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" if line else "\n" for line in text.rstrip("\n").split("\n"))


def test_a_part_whose_result_is_scaled() -> None:
    body = "h = self.norm(h)\nh = self.mlp(h)\nreturn residual + h\n"
    expected = "h = self.norm(h)\n" + score("h") + "h = self.mlp(h)\n" + scale("h") + "return residual + h\n"
    check(body, expected, reads="self.mlp", scales="self.mlp")


def test_a_result_of_several_is_scaled_by_its_first() -> None:
    check(
        "h, logits = self.mlp(h)\n",
        score("h") + "h, logits = self.mlp(h)\n" + scale("h"),
        reads="self.mlp",
        scales="self.mlp",
    )


def test_a_norm_behind_says_that_it_is_one() -> None:
    body = "h = self.mlp(h)\nh = self.post_norm(h)\n"
    expected = score("h") + body + SCALE_NORM.format(name="h")
    check(body, expected, reads="self.mlp", scales="self.post_norm")


def test_a_name_scaled_before_the_sum_that_it_joins() -> None:
    body = "h = self.fc1(h)\nh = self.fc2(h)\n# joins\nh = residual + h\n"
    expected = score("h") + "h = self.fc1(h)\nh = self.fc2(h)\n" + scale("h") + "# joins\nh = residual + h\n"
    check(body, expected, reads="self.fc1", scales="h", into="residual + h")


def test_an_expression_scaled_before_the_sum_is_assigned_to_its_name() -> None:
    body = "h = self.mlp(h)\nh = residual + h.view(residual.shape)\n"
    scaled = "if self.scale_ffn:\n    h = good_ratio.to(h.dtype) * h.view(residual.shape)\n"
    words = {"scales": "h.view(residual.shape)", "into": "residual + h.view(residual.shape)"}
    expected = score("h") + "h = self.mlp(h)\n" + scaled + "h = residual + h.view(residual.shape)\n"
    check(body, expected, reads="self.mlp", **words)


def test_an_input_without_a_name_gets_one() -> None:
    expected = "feed_forward_input = self.norm(h)\n" + score("feed_forward_input")
    expected += "h = self.mlp(feed_forward_input)\n" + scale("h")
    check("h = self.mlp(self.norm(h))\n", expected, reads="self.mlp", scales="self.mlp")


@pytest.mark.parametrize(
    "body", ["h = h + self.mlp(h)\n", "h += self.mlp(h)\n", "return residual + self.mlp(h)\n", "h -= self.mlp(h)\n"]
)
def test_a_summand_gets_a_name_and_the_sum_is_not_scaled(body: str) -> None:
    expected = score("h") + "feed_forward_output = self.mlp(h)\n" + scale("feed_forward_output")
    check(body, expected + body.replace("self.mlp(h)", "feed_forward_output"), reads="self.mlp", scales="self.mlp")


def test_a_part_in_branches_is_scored_before_them_and_scaled_behind() -> None:
    body = "if self.sparse:\n    y = self.moe(h)\nelse:\n    y = self.mlp(h)\nh = residual + y\n"
    expected = score("h") + body.replace("h = residual", scale("y") + "h = residual")
    check(body, expected, reads="self.mlp", scales="y", into="residual + y")


def test_a_gate_in_each_branch() -> None:
    body = "if self.parallel:\n    x = self.mlp(x)\nelse:\n    y = self.mlp(y)\n"
    expected = "if self.parallel:\n" + indented(score("x") + "x = self.mlp(x)\n" + scale("x"), 4)
    expected += "else:\n" + indented(score("y") + "y = self.mlp(y)\n" + scale("y"), 4)
    check(body, expected, reads="self.mlp", scales="self.mlp")


@pytest.mark.parametrize("header", ["with self.context():", "try:", "match self.form:\n    case 1:"])
def test_a_part_inside_a_block_is_gated_there(header: str) -> None:
    depth = 4 * header.count("\n") + 4
    tail = "except ValueError:\n    raise\n" if header == "try:" else ""
    body = f"{header}\n{indented('h = self.mlp(h)', depth)}{tail}"
    expected = f"{header}\n{indented(score('h') + 'h = self.mlp(h)' + chr(10) + scale('h'), depth)}{tail}"
    check(body, expected, reads="self.mlp", scales="self.mlp")


def test_a_gate_stands_above_the_comments_of_its_part_where_a_blank_line_was() -> None:
    body = "residual = h\n\n# the part\nh = self.mlp(h)\n"
    expected = "residual = h\n\n" + score("h") + "# the part\nh = self.mlp(h)\n" + scale("h")
    check(body, expected, reads="self.mlp", scales="self.mlp")


def test_comments_directly_under_a_block_header_stay_in_the_block() -> None:
    body = "if self.sparse:\n    # only here\n    h = self.mlp(h)\n"
    expected = "if self.sparse:\n" + indented(score("h") + "# only here\nh = self.mlp(h)\n" + scale("h"), 4)
    check(body, expected, reads="self.mlp", scales="self.mlp")


def test_a_part_that_adds_the_residual_itself_runs_with_a_zero_in_its_place() -> None:
    expected = score("h") + dedent("""\
    if self.scale_ffn:  # the module adds the residual itself
        output = residual + good_ratio.to(residual.dtype) * self.mlp(h, torch.zeros_like(residual))
    else:
        output = self.mlp(h, residual)
    """)
    check("output = self.mlp(h, residual)\n", expected, reads="self.mlp", scales="self.mlp", adds="residual")


def test_tokens_in_one_batch_are_scored_by_their_samples() -> None:
    body = "h = self.fc1(h)\nh = drop(h)\n"
    scaled = "if self.scale_ffn:\n    h = good_ratio.view(-1, 1).to(h.dtype) * h\n"
    check(body, score("h.view(shape)") + body + scaled, reads="self.fc1", scales="drop", tokens="shape")


def test_an_input_that_the_part_norms_itself_is_normed_for_the_gate() -> None:
    check(
        "h = self.mlp(h)\n",
        score("self.ln(h)") + "h = self.mlp(h)\n" + scale("h"),
        reads="self.mlp",
        scales="self.mlp",
        normed="self.ln",
    )


def test_the_lines_of_the_parts_are_told() -> None:
    found = splice(forward("x = 1\nh = self.mlp(h)\n"), Place("self.mlp", "self.mlp"), kind().splices)
    assert found.lines == (3,)


def test_text_that_is_not_ascii_stays() -> None:
    body = 'h = self.norm(h, "é漢")  # ü\nh = self.mlp(h)  # ß\n'
    expected = 'h = self.norm(h, "é漢")  # ü\n' + score("h") + "h = self.mlp(h)  # ß\n" + scale("h")
    check(body, expected, reads="self.mlp", scales="self.mlp")


PART = {"reads": "self.mlp", "scales": "self.mlp"}


@pytest.mark.parametrize(
    ("body", "words", "message", "line"),
    [
        ("return self.mlp(h)", PART, "what `self.mlp` gives is not assigned to a name", 2),
        ("self.y = self.mlp(h)", PART, "what `self.mlp` gives is not assigned to a name", 2),
        (
            "if a:\n    h = self.mlp(x)\nelse:\n    h = self.mlp(y)\nh = drop(h)",
            PART | {"scales": "drop"},
            "different inputs",
            2,
        ),
        (
            "if a:\n    h = self.mlp(norm(x))\nh = drop(h)",
            PART | {"scales": "drop"},
            "has no name and stands inside a block",
            3,
        ),
        (
            "if a:\n    x = norm(x)\n    h = self.mlp(x)\nh = drop(h)",
            PART | {"scales": "drop"},
            "`x` is assigned inside the block",
            3,
        ),
        (
            "h = self.mlp(h)\nif a:\n    h = norm(h)\n    h = r + h",
            PART | {"scales": "h", "into": "r + h"},
            "`h` is assigned inside",
            4,
        ),
        ("h = self.mlp(h)\nh = r + h", PART | {"scales": "foo", "into": "r + h"}, "`foo` is not in `r + h`", 3),
        ("h = self.mlp(h)\nh = r + f(1)", PART | {"scales": "1", "into": "r + f(1)"}, "is not made of one name", 1),
        ("h = self.mlp(h)", PART | {"adds": "residual"}, "`residual` is not an argument of `self.mlp(h)`", 2),
        ("return self.mlp(h, r)", PART | {"adds": "r"}, "what `self.mlp` gives is not assigned to a name", 2),
        (
            "h = self.mlp(h)\nif a:\n    h += drop(h)",
            PART | {"scales": "drop"},
            "is added to what is there already",
            4,
        ),
        ("h = self.mlp(h)\nfor x in y:\n    h = drop(h)", PART | {"scales": "drop"}, "is not assigned to a name", 3),
        ("h = self.mlp()", PART, "is given nothing that a gate could read", 2),
    ],
)
def test_what_is_refused_and_where(body: str, words: dict[str, str], message: str, line: int) -> None:
    with pytest.raises(Misfit) as problem:
        gated(body, **words)
    assert message in str(problem.value) and problem.value.line == line
