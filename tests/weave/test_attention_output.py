"""Attention with a gate on what its output projection is given, and where such gates lie below a layer."""

from __future__ import annotations

from textwrap import dedent

import pytest
from building.casing import read_casing
from building.workspace import find_transformers
from diagnostics.errors import ConversionError
from syntax.source import Source
from toy_deltas import forward, library
from weave.anchors import Misfit
from weave.attention_output import constructed, feed
from weave.kinds import GateKind, read_kind
from weave.place import Feeds
from weave.woven import Woven, weave


def attention() -> GateKind:
    return read_kind("attention", library().load)


def gated(body: str, feeds: str = "self.o_proj") -> str:
    """The body of a forward with a gate, at the left margin."""
    text = feed(forward(body, "self, h, **kwargs"), Feeds(feeds), attention().splices).text
    return dedent(text.partition("\n")[2])


def gate(name: str, given: str = "h") -> str:
    return f"{name}, _ = self.attention_gate({name}, {given})\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x = read(h)\nx = self.o_proj(x)\n", "x = read(h)\n" + gate("x") + "x = self.o_proj(x)\n"),
        ("return self.o_proj(x), w\n", gate("x") + "return self.o_proj(x), w\n"),
        (
            "y = self.drop(self.o_proj(x.flatten(2)))\n",
            "attention_output = x.flatten(2)\n"
            + gate("attention_output")
            + "y = self.drop(self.o_proj(attention_output))\n",
        ),
        (
            "h = self.norm(h)\nx = self.o_proj(x)\n",
            "attention_input = h\nh = self.norm(h)\n" + gate("x", "attention_input") + "x = self.o_proj(x)\n",
        ),
        ("x = self.o_proj(x)\nh = h + x\n", gate("x") + "x = self.o_proj(x)\nh = h + x\n"),
        (
            "x = read(h)\n\n# back to the stream\nx = self.o_proj(x)\n",
            "x = read(h)\n\n# back to the stream\n" + gate("x") + "x = self.o_proj(x)\n",
        ),
    ],
)
def test_a_gate_stands_before_the_projection(body: str, expected: str) -> None:
    assert gated(body) == expected


def test_each_branch_has_its_gate() -> None:
    body = "if self.flat:\n    x = self.o_proj(x)\nelse:\n    y = x.flatten(2)\n    x = self.o_proj(y)\n"
    expected = (
        f"if self.flat:\n    {gate('x')}    x = self.o_proj(x)\n"
        f"else:\n    y = x.flatten(2)\n    {gate('y')}    x = self.o_proj(y)\n"
    )
    assert gated(body) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x = self.out(x)\n", "no call of `self.o_proj`"),
        ("x = self.o_proj(x)\nx = self.o_proj(x)\n", "`self.o_proj` fits 2 times"),
        ("for x in y:\n    x = self.o_proj(x)\n", "in a loop"),
        ("if self.o_proj(x):\n    pass\n", "where no statement could stand before it"),
        ("x = self.o_proj()\n", "is given nothing"),
    ],
)
def test_what_a_gate_cannot_stand_before_is_refused(body: str, message: str) -> None:
    with pytest.raises(Misfit, match=message):
        gated(body)


def test_attention_without_an_input_is_refused() -> None:
    with pytest.raises(Misfit, match="takes no argument"):
        feed("def forward(self):\n    return self.o_proj(x)\n", Feeds("self.o_proj"), attention().splices)


def test_a_constructor_is_told_heads_and_width() -> None:
    spliced = next(each.function for each in attention().gate.splices if each.function.name == "set_up")
    made = "self.attention_gate = AttentionGate(config, self.wo, {}, {})"
    usual = constructed(spliced, Feeds("self.wo"))
    assert usual == made.format("config.num_attention_heads", "config.hidden_size")
    assert constructed(spliced, Feeds("self.wo", "self.n", "2 * config.d")) == made.format("self.n", "2 * config.d")


DELTA = """\
from gates.attention import AttentionGate
from transformers.models.{base} import modeling_{base} as base


class AttentionGate{owner}(base.{owner}):
    attention_gate = AttentionGate({words})
"""


def delta(base: str, owner: str, words: str = 'feeds="self.o_proj"') -> Source:
    model = f"attention_gate_{base}"
    return Source(f"modular/modular_{model}.py", f"modular_{model}", DELTA.format(base=base, owner=owner, words=words))


def woven(source: Source) -> Woven:
    return weave(source, source.module.removeprefix("modular_"), library().load, read_casing(find_transformers()))


@pytest.mark.parametrize(
    ("base", "owner", "words", "plan"),
    [
        ("llama", "LlamaAttention", 'feeds="self.o_proj"', '{"layers.*.self_attn.attention_gate.gate": "colwise"}'),
        # its heads come out of one projection, whose output every device gathers whole
        ("phi3", "Phi3Attention", 'feeds="self.o_proj"', '{"layers.*.self_attn.attention_gate.gate": "replicate"}'),
        ("gpt_neox", "GPTNeoXAttention", 'feeds="self.dense"', '{"layers.*.attention.attention_gate.gate": "'),
        ("gpt2", "GPT2Attention", 'feeds="self.c_proj"', ""),  # no plan of its own: it would be no more split
    ],
)
def test_plans_have_gates_where_attention_lies(base: str, owner: str, words: str, plan: str) -> None:
    text = woven(delta(base, owner, words)).source.text
    line = next((line for line in text.split("\n") if line.startswith("    _tp_plan")), "")
    assert plan in line and bool(plan) == bool(line)


@pytest.mark.parametrize(
    ("owner", "words", "code", "line", "message"),
    [
        ("LlamaAttention", 'feeds="self.out_proj"', "anchor-misfit", 6, "has no `out_proj`"),
        ("LlamaAttention", 'feeds="self.o_proj", heads="self.heads"', "anchor-misfit", 6, "has no `heads`"),
        ("LlamaAttention", 'feed="self.o_proj"', "unknown-word", 6, "a place has no `feed`"),
        ("LlamaAttention", 'heads="self.n"', "bad-anchor", 6, "does not say `feeds`"),
        ("LlamaConfig", 'feeds="self.o_proj"', "no-place", 6, "is not a class of"),
        ("LlamaForCausalLM", 'feeds="self.lm_head"', "no-place", 6, "no layer that LlamaModel goes through has a"),
    ],
)
def test_a_delta_that_says_no_place_is_refused_at_its_line(
    owner: str, words: str, code: str, line: int, message: str
) -> None:
    with pytest.raises(ConversionError) as error:
        woven(delta("llama", owner, words))
    [problem] = error.value.diagnostics
    assert (problem.code, problem.line) == (code, line) and message in problem.message and problem.fix
