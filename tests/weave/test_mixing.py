"""The forwards and constructors of layers whose gate mixes what experts give."""

from __future__ import annotations

from functools import lru_cache
from textwrap import dedent

import pytest
from building.casing import read_casing
from building.workspace import find_transformers
from diagnostics.errors import ConversionError
from syntax.source import Source
from toy_deltas import forward, library
from weave.kinds import GateKind, read_kind
from weave.place import Place
from weave.splice import splice
from weave.woven import Woven, weave


SCORE = "_, good_ratio, trash = self.select_gate({source})\n"
MIX = "{name} = self.select_gate.mix({value}, good_ratio, trash)\n"
HAS = "if self.select_gate is not None:\n    "
DELTA = """\
from gates.select import SelectGate
from transformers.models.{base} import modeling_{base} as base


class SelectGate{owner}(base.{owner}):
    select_gate = SelectGate({words})
"""


@lru_cache
def select() -> GateKind:
    return read_kind("select", library().load)


def gated(body: str, **words: str) -> str:
    text = splice(forward(body), Place(**words), select().splices).text
    return dedent(text.partition("\n")[2])


def mixed(name: str, value: str = "") -> str:
    return MIX.format(name=name, value=value or name)


def test_what_a_mixture_gives_is_mixed() -> None:
    body = "h = self.norm(h)\nh, logits = self.mlp(h)\nreturn residual + h\n"
    given = "h = self.norm(h)\n" + SCORE.format(source="h") + "h, logits = self.mlp(h)\n"
    assert gated(body, reads="self.mlp", scales="self.mlp") == given + mixed("h") + "return residual + h\n"


def test_it_is_mixed_behind_a_norm_and_before_the_sum() -> None:
    body = "h = self.mlp(h)\nh = self.norm(h)\nreturn residual + h\n"
    expected = SCORE.format(source="h") + "h = self.mlp(h)\nh = self.norm(h)\n" + mixed("h") + "return residual + h\n"
    assert gated(body, reads="self.mlp", scales="self.norm") == expected
    body = "h = self.mlp(h)\nh = residual + h.view(s)\n"
    expected = SCORE.format(source="h") + "h = self.mlp(h)\n" + mixed("h", "h.view(s)") + "h = residual + h\n"
    found = gated(body, reads="self.mlp", scales="h.view(s)", into="residual + h.view(s)")
    assert found.split("\n")[:3] == expected.split("\n")[:3]


def test_only_layers_with_experts_ask_their_gate() -> None:
    body = "h = self.mlp(h)\nreturn residual + h\n"
    expected = HAS + SCORE.format(source="h") + "h = self.mlp(h)\n" + HAS + mixed("h") + "return residual + h\n"
    assert gated(body, reads="self.mlp", scales="self.mlp", when='hasattr(self.mlp, "experts")') == expected


def woven(base: str, owner: str, words: str) -> Woven:
    model = f"select_gate_{base}"
    source = Source(
        f"modular/modular_{model}.py", f"modular_{model}", DELTA.format(base=base, owner=owner, words=words)
    )
    return weave(source, model, library().load, read_casing(find_transformers()))


def test_a_condition_makes_a_gate_or_none() -> None:
    words = 'reads="self.mlp", scales="self.mlp"'
    when = 'hasattr(self.mlp, "experts")'
    text = woven("qwen3_moe", "Qwen3MoeDecoderLayer", f"{words}, when='{when}'").source.text
    assert f"self.select_gate = SelectGateQwen3MoeGate(config) if {when} else None\n" in text
    text = woven("mixtral", "MixtralDecoderLayer", words).source.text
    assert (
        "self.select_gate = SelectGateMixtralGate(config)\n" in text
        and "is not None:\n            _, good" not in text
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ('reads="self.mlps", scales="self.mlps"', "anchor-misfit", "no call of `self.mlps`"),
        ('reads="self.mlp"', "bad-anchor", "does not say what is scaled"),
        ('reads="self.mlp", scales="self.mlp", when="self.sparse"', "anchor-misfit", "has no `sparse`"),
        ('feeds="self.mlp"', "unknown-word", "a place has no `feeds`"),
    ],
)
def test_a_delta_that_says_no_place_is_refused_at_its_line(words: str, code: str, message: str) -> None:
    with pytest.raises(ConversionError) as error:
        woven("mixtral", "MixtralDecoderLayer", words)
    [problem] = error.value.diagnostics
    assert (problem.code, problem.line) == (code, 6) and message in problem.message and problem.fix
