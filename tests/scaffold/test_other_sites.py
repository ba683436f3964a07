"""Where a gate goes in layers of several kinds and in chunks, on attention, and on what a layer returns."""

from __future__ import annotations

import re
from dataclasses import replace
from textwrap import indent

import pytest
from scaffold.sites.table import ATTENTION_OUTPUT, FEED_FORWARD, LAYER_OUTPUT
from scaffold.sites.values import Found, NoPlace
from syntax.modules import Module, read_module
from syntax.source import Source
from toy_layers import FIRST, find, said, toy


KINDS = """\
class ToyMLP(nn.Module): ...
class ToyMamba(nn.Module): ...
TABLE = {{"mamba": ToyMamba, "mlp": {kind}}}
class Layer(nn.Module):
    def __init__(self, config):
        self.kind = config.kind
        self.mixer = TABLE[self.kind](config)
    def forward(self, x):
        residual = x
{branches}
        return residual + x
"""
MAMBA = 'if self.kind == "mamba":\n    x = self.mixer(x, cache=cache)\n'
BRANCHES = {
    "one other kind": (MAMBA + "else:\n    x = self.mixer(x)", 'when=self.kind != "mamba"'),
    "two other kinds": (
        MAMBA + 'elif self.kind == "attention":\n    x, _ = self.mixer(x, mask)\nelse:\n    x = self.mixer(x)',
        'when=self.kind not in ("mamba", "attention")',
    ),
}


def kinds(branches: str, kind: str = "ToyMLP") -> Module:
    return read_module(Source("toy.py", "toy", KINDS.format(kind=kind, branches=indent(branches, " " * 8))))


@pytest.mark.parametrize("name", BRANCHES)
def test_the_branch_of_the_feed_forward_modules_is_found(name: str) -> None:
    branches, when = BRANCHES[name]
    [(_, place)] = find(kinds(branches)).declared.items()
    assert said(place) == f"reads=self.mixer(x), scales=self.mixer(x), {when}"


@pytest.mark.parametrize(
    "branches",
    [
        MAMBA + 'elif config.kind == "attention":\n    x = y\nelse:\n    x = self.mixer(x)',  # of nothing of the layer
        MAMBA + "else:\n    x = self.mixer(x)\n    x = x * 2",
        MAMBA + "else:\n    x = self.mixer(x, mask)",
        MAMBA,
    ],
)
def test_other_branches_are_none_of_a_feed_forward_module(branches: str) -> None:
    assert find(kinds(branches)) is None


def test_a_branch_without_feed_forward_classes_is_none() -> None:
    assert find(kinds(BRANCHES["one other kind"][0], kind="ToyMamba")) is None


def test_a_branch_whose_call_stands_in_another_too_is_refused() -> None:
    branches = 'if self.kind == "mamba":\n    x = self.mixer(x)\nelse:\n    x = self.mixer(x)'
    with pytest.raises(NoPlace, match=r"`self.mixer\(x\)` is called in another branch as well") as refused:
        find(kinds(branches))
    assert refused.value.line == 13


CHUNKS = """\
class Inner(nn.Module):
    def __init__(self, config):
        self.norm = nn.LayerNorm(1)
    def forward(self, x):
        {inner}
        return self.dense(x)
class Output(nn.Module):
    def forward(self, x, residual):
        x = self.dense(x)
        return {joined}
class Layer(nn.Module):
    def __init__(self, config):
        self.ln = nn.LayerNorm(1)
        self.intermediate = Inner(config)
        self.output = Output(config)
    def forward(self, x):
        x = self.attention(x)
        y = apply_chunking_to_forward({method}, self.size, 1, x)
        return {after}
    def run(self, x):
        {before}
        return {made}
"""
USUAL = {"inner": "pass", "joined": "self.norm(x + residual)", "method": "self.run", "after": "y"}
USUAL |= {"before": "y = self.intermediate(x)", "made": "self.output(y, x)"}


def chunks(**parts: str) -> Module:
    return read_module(Source("toy.py", "toy", CHUNKS.format(**USUAL | parts)))


@pytest.mark.parametrize(
    ("parts", "scaled", "place"),
    [
        ({}, "name=x, into=x + residual", "reads=self.run, hands=self.output"),
        ({"joined": "residual + x"}, "name=x, into=residual + x", "reads=self.run, hands=self.output"),
        (
            {"made": "self.intermediate(x)", "before": "pass", "after": "self.output(y, x)"},
            "name=x, into=x + residual",
            "reads=self.run, hands=self.output",
        ),
        (
            {"before": "n = self.ln(x)\n        y = self.intermediate(n)"},
            "name=x, into=x + residual",
            "reads=self.run, hands=self.output, normed=self.ln",
        ),
        (
            {"inner": "x = self.norm(x)"},
            "name=x, into=x + residual",
            "reads=self.run, hands=self.output, normed=self.intermediate.norm",
        ),
    ],
)
def test_a_part_in_chunks_is_found(parts: dict[str, str], scaled: str, place: str) -> None:
    module = chunks(**parts)
    found = find(module)
    assert {name: said(each) for name, each in found.declared.items()} == {"Output": scaled, "Layer": place}
    assert "apply_chunking_to_forward" in module.lines[found.lines[0] - 1]


@pytest.mark.parametrize(
    ("parts", "line", "message"),
    [
        ({"method": "run"}, 18, "`run` is not a method of Layer"),
        ({"method": "self.other"}, 18, "`self.other` is not a method of Layer"),
        ({"joined": "x * residual"}, 18, "neither `run` nor forward adds the result"),
        ({"joined": "self.norm(x) + residual"}, 8, "Output has no sum of what it made and its argument"),
        ({"joined": "x + residual if a else x + residual"}, 10, "`x + residual` stands several times in Output"),
        (
            {"after": "apply_chunking_to_forward(self.run, self.size, 1, y)"},
            19,
            "in chunks at 2 places",
        ),
        ({"made": "self.output(self.output(y, x), x)"}, 22, "several modules add the result"),
    ],
)
def test_a_part_in_chunks_without_a_place_is_refused(parts: dict[str, str], line: int, message: str) -> None:
    with pytest.raises(NoPlace) as refused:
        find(chunks(**parts))
    assert message in str(refused.value)
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("returned", "output"),
    [
        ("x", "x"),
        ("(x, weights)", "x"),
        ("(x,) + rest", "x"),
        ("(x,) + rest + more", "x"),
        ("residual + x", "residual + x"),
    ],
)
@pytest.mark.parametrize("number", ["layer_idx", "layer_id"])
def test_a_layer_returns_its_output_first(returned: str, output: str, number: str) -> None:
    module = numbered(f"x = self.mlp(x)\nreturn {returned}", number)
    found = LAYER_OUTPUT.finders[0].find(module, module.classes["Layer"], frozenset())
    told = "" if number == "layer_idx" else f", number={number}"
    assert said(found.declared["Layer"]) == f"returns={output}{told}" and found.lines == (FIRST + 1,)


def test_a_layer_that_is_not_told_its_number_is_refused() -> None:
    module = toy("return x")
    with pytest.raises(NoPlace, match="is not told which layer it is"):
        LAYER_OUTPUT.finders[0].find(module, module.classes["Layer"], frozenset())


def numbered(body: str, number: str = "layer_idx") -> Module:
    """The toy module, whose layer is told its number."""
    module = toy(body)
    text = module.source.text.replace("def __init__(self, config):", f"def __init__(self, config, {number}):")
    return read_module(replace(module.source, text=text))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("if self.a:\n    return residual\nreturn x", "does not return once, at its end"),
        ("x = self.mlp(x)", "does not return once, at its end"),
        ("return", "returns nothing"),
        ("outputs = (x,) + rest\nreturn outputs", "`outputs` is a tuple"),
    ],
)
def test_a_layer_that_does_not_return_once_is_refused(body: str, message: str) -> None:
    module = numbered(body)
    with pytest.raises(NoPlace, match=re.escape(message)) as refused:
        LAYER_OUTPUT.finders[0].find(module, module.classes["Layer"], frozenset())
    assert refused.value.line >= FIRST


ATTENTION = """\
class ToyAttention(nn.Module):
    def __init__(self, config):
        self.o_proj = nn.Linear(1, 1)
    def forward(self, x):
        {body}
class ToyLinearAttention(nn.Module):
    def forward(self, x):
        return x
class Layer(nn.Module):
    def __init__(self, config):
        self.attn = KINDS[config.kind](config)
KINDS = {{"eager": ToyAttention, "linear": ToyLinearAttention}}
"""


def attention(body: str) -> Found:
    module = read_module(Source("toy.py", "toy", ATTENTION.format(body=body)))
    return ATTENTION_OUTPUT.finders[0].find(module, module.classes["Layer"], frozenset())


def test_attention_feeds_its_projection() -> None:
    found = attention("return self.o_proj(x)")
    assert {name: said(each) for name, each in found.declared.items()} == {"ToyAttention": "feeds=self.o_proj"}
    assert found.lines == (5,)
    assert attention("return self.o_proj(x.view(1))").lines == (5,)
    assert attention(
        "if x is None:\n            return self.o_proj(y)\n        else:\n            return self.o_proj(x)"
    ).lines == (6,)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("self.num_heads = config.num_attention_heads", ""),
        ("self.num_heads = num_heads", ", heads=self.num_heads"),
        ("self.n_head = config.heads_of(0)", ", heads=self.n_head"),
        ("self.q_proj = nn.Linear(config.hidden_size, 1)", ""),
        ("self.q_proj = nn.Linear(embed_dim, 1)", ""),
        ("self.query_key_value = nn.Linear(2 * config.wide, 1)", ", width=2 * config.wide"),
        ("self.q_proj = nn.Linear(width, 1)", ""),  # a name of the constructor, which is gone where the gate is made
    ],
)
def test_heads_and_width_are_told_where_they_are_not_the_usual_ones(made: str, words: str) -> None:
    text = ATTENTION.replace("self.o_proj = nn.Linear(1, 1)", f"self.o_proj = nn.Linear(1, 1)\n        {made}")
    module = read_module(Source("toy.py", "toy", text.format(body="return self.o_proj(x)")))
    found = ATTENTION_OUTPUT.finders[0].find(module, module.classes["Layer"], frozenset())
    assert said(found.declared["ToyAttention"]) == f"feeds=self.o_proj{words}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return x", "has no output projection of its own"),
        ("x = self.o_proj(x)\n        return self.o_proj(x)", "calls `self.o_proj` 2 times"),
        ("return self.o_proj()", "gives `self.o_proj` nothing"),
    ],
)
def test_attention_without_one_projection_is_refused(body: str, message: str) -> None:
    with pytest.raises(NoPlace, match=message):
        attention(body)


def test_finders_say_why_they_are_tried_in_this_order() -> None:
    for table in (FEED_FORWARD, ATTENTION_OUTPUT, LAYER_OUTPUT):
        reasons = [each.why for each in table.finders]
        assert all(reasons) and len(set(reasons)) == len(table.finders)
