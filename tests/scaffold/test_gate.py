"""Where a gate goes: small layers of every variety, before and after."""

from __future__ import annotations

from textwrap import dedent

import pytest
from scaffold.gate import NoPlace, insert_gate


ASK = "if output_quality_logits or self.scale_ffn:\n    _, good_ratio = self.quality_gate({})"
SCALE = "if self.scale_ffn:\n    {0} = good_ratio.to({0}.dtype) * {0}"
CASES = {
    "plain": (
        "x = self.norm(x)\nx = self.mlp(x)\nx = residual + x\nreturn x",
        [("x = self.mlp(x)", ASK.format("x")), ("x = residual + x", SCALE.format("x"))],
    ),
    "scaled_residual": (
        "x = self.mlp(x)\nx = residual + x * self.residual_multiplier\nreturn x",
        [("x = self.mlp(x)", ASK.format("x")), ("x = residual + x *", SCALE.format("x"))],
    ),
    "tuple": (
        "x, _ = self.mlp(x)\nx = residual + x\nreturn x",
        [("x, _ = self.mlp(x)", ASK.format("x")), ("x = residual + x", SCALE.format("x"))],
    ),
    "parallel": (
        "a, _ = self.attn(x)\nf = self.mlp(x)\nx = a + f + residual\nreturn x",
        [("f = self.mlp(x)", ASK.format("x")), ("x = a + f", SCALE.format("f"))],
    ),
    "two_linear_maps": (
        "x = self.act(self.fc1(x))\nx = self.drop(x)\nx = self.fc2(x)\nx = residual + x\nreturn x",
        [("x = self.act(self.fc1(x))", ASK.format("x")), ("x = residual + x", SCALE.format("x"))],
    ),
    "shared_experts": (
        "y = self.block_sparse_moe(x)\nif self.shared_mlp is None:\n    x = y\nelse:\n    x = y + self.shared_mlp(x)\n"
        "x = residual + x\nreturn x",
        [("y = self.block_sparse_moe(x)", ASK.format("x")), ("x = residual + x", SCALE.format("x"))],
    ),
    "either_experts_or_not": (
        "if self.has_experts:\n    y = self.moe(x)\n    x = y + self.mlp(x)\nelse:\n    x = self.mlp(x)\n"
        "x = residual + x\nreturn x",
        [("if self.has_experts:", ASK.format("x")), ("x = residual + x", SCALE.format("x"))],
    ),
    "parallel_or_not": (
        "if self.parallel:\n    f = self.mlp(x)\n    x = f + a + x\nelse:\n    a = a + x\n    f = self.mlp(a)\n    x = f + a\n"
        "return x",
        [
            ("    f = self.mlp(x)", "    " + ASK.format("x").replace("\n", "\n    ")),
            ("    x = f + a + x", "    " + SCALE.format("f").replace("\n", "\n    ")),
            ("    f = self.mlp(a)", "    " + ASK.format("a").replace("\n", "\n    ")),
            ("    x = f + a\n", "    " + SCALE.format("f").replace("\n", "\n    ")),
        ],
    ),
    "added_in_place": (
        "f = self.mlp(x)\nif self.parallel_attn:\n    f += a\nx = dropout_add(f, residual, 0.1)\nreturn x",
        [("f = self.mlp(x)", ASK.format("x")), ("if self.parallel_attn:", SCALE.format("f"))],
    ),
    "whoever_called_adds": (
        "x = self.mlp(x)\nreturn x",
        [("x = self.mlp(x)", ASK.format("x")), ("return x", SCALE.format("x"))],
    ),
    "many_streams": (
        "x = self.mlp(x)\nx = x.unsqueeze(-2) * weights\nx = streams + x\nreturn x",
        [("x = self.mlp(x)", ASK.format("x")), ("x = x.unsqueeze", SCALE.format("x"))],
    ),
}
REWRITTEN = {
    "norm_after": (
        "x = self.mlp(x)\nx = self.post_norm(x)\nx = residual + x\nreturn x",
        "if self.scale_ffn:  # after the norm, which would undo it\n    x = good_ratio.to(x.dtype) * x\nx = residual + x",
    ),
    "input_without_a_name": (
        "f = self.mlp(self.norm(x))\nx = x + f\nreturn x",
        "feed_forward_input = self.norm(x)\n"
        + ASK.format("feed_forward_input")
        + "\nf = self.mlp(feed_forward_input)",
    ),
    "all_in_one_statement": (
        "x = x + self.mlp(self.norm(x))\nreturn x",
        "feed_forward_output = self.mlp(feed_forward_input)\n"
        + SCALE.format("feed_forward_output")
        + "\nx = x + feed_forward_output",
    ),
    "residual_added_inside": (
        "out = self.mlp(x, residual)\nreturn out",
        "if self.scale_ffn:  # the module adds the residual itself\n"
        "    out = residual + good_ratio.to(residual.dtype) * self.mlp(x, torch.zeros_like(residual))\n"
        "else:\n    out = self.mlp(x, residual)",
    ),
    "all_tokens_in_one_batch": (
        "shape = x.shape\nx = x.reshape(-1, x.size(-1))\nx = self.mlp(x)\nx = (residual + x).view(shape)\nreturn x",
        ASK.format("x.view(shape)"),
    ),
    "output_of_another_shape": (
        "x = self.mlp(x)\nx = residual + x.view(residual.shape)\nreturn x",
        "x = good_ratio.to(x.dtype) * x.view(residual.shape)",
    ),
}
NAMES = frozenset({"mlp", "moe", "fc1", "fc2", "block_sparse_moe", "shared_mlp"})


def function(body: str) -> str:
    return "def forward(self, x, residual):\n" + "\n".join(f"    {line}" for line in body.split("\n")) + "\n"


def body_of(text: str) -> str:
    return dedent(text.split("\n", 1)[1]).rstrip("\n")


@pytest.mark.parametrize("name", CASES)
def test_statements_that_are_added(name: str) -> None:
    body, added = CASES[name]
    expected = f"{body}\n"
    for before, statement in added:
        assert expected.count(before) >= 1
        expected = expected.replace(before, f"{statement}\n{before}", 1)
    assert body_of(insert_gate(function(body), NAMES).text) == expected.rstrip("\n")


@pytest.mark.parametrize("name", REWRITTEN)
def test_statements_that_are_rewritten(name: str) -> None:
    body, expected = REWRITTEN[name]
    assert expected in body_of(insert_gate(function(body), NAMES).text)


def test_comments_and_blank_lines_stay() -> None:
    body = "x = self.norm(x)\n\n# the network\nx = self.mlp(x)  # wide\n\n# and back\nx = residual + x\nreturn x"
    text = body_of(insert_gate(function(body), NAMES).text)
    added = text.split("\n")
    kept = [line for line in body.split("\n") if line]
    assert [line for line in added if line in kept] == kept


def test_the_line_of_the_base_is_told() -> None:
    assert insert_gate(function(CASES["plain"][0]), NAMES).lines == (3,)
    assert insert_gate(function(CASES["parallel_or_not"][0]), NAMES).lines == (3, 7)


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        ("x = self.attn(x)\nreturn x", 1, "no statement calls self.block_sparse_moe or"),
        ("self.mlp(x)\nx = residual + x", 2, "not assigned to a name"),
        ("x = self.mlp(x)\nx = self.norm(x)", 2, "no later statement adds"),
        (
            "if self.a:\n    x = self.mlp(x)\nelse:\n    x = self.moe(y)\nx = residual + x\nreturn x",
            2,
            "different inputs",
        ),
    ],
)
def test_no_place_is_refused_by_line(body: str, line: int, message: str) -> None:
    with pytest.raises(NoPlace, match=message) as refused:
        insert_gate(function(body), NAMES)
    assert refused.value.line == line
