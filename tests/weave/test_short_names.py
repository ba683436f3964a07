"""A short delta in the woven text's own words, and which names are slips of others."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_deltas import PLAIN, base, delta, kind
from weave.checks import own_names, slip
from weave.declaration import read_declaration
from weave.names import names_of
from weave.short_names import plain
from weave.stack import read_stack


def words(text: str) -> str:
    toy = base()
    return plain(read_declaration(delta(text), kind()), toy, names_of(toy, read_stack(toy))).text


def test_what_is_taken_from_the_base_loses_its_alias_and_nothing_else_changes() -> None:
    assert words(PLAIN) == PLAIN.replace("base.ToyDecoderLayer", "ToyDecoderLayer")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("return base.rotate_half(base.torch)", "return rotate_half(torch)"),
        (
            'return f"{base.rotate_half} base.rotate_half é"  # base.x',
            'return f"{rotate_half} base.rotate_half é"  # base.x',
        ),
        ("return (base\n            .rotate_half)", "return (rotate_half)"),
        ("return other.base.rotate_half", "return other.base.rotate_half"),
        ('x = "漢"; return base.rotate_half', 'x = "漢"; return rotate_half'),
    ],
)
def test_names_of_the_base_in_code_alone(code: str, expected: str) -> None:
    assert words(f"{PLAIN}\n    def extra(self):\n        {code}\n").endswith(f"\n        {expected}\n")


def test_names_of_the_gate_s_modules_are_the_model_s() -> None:
    text = PLAIN.replace("\nfrom trans", "\nfrom gates.quality.outputs import QualityGateOutput\nfrom trans")
    found = words(text + "\n    def extra(self, x):\n        return isinstance(x, QualityGateOutput)\n")
    assert found.endswith("return isinstance(x, QualityGateToyOutput)\n")


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("forwrd", ["forward", "extra"], "forward"),
        ("quality_los_weight", ["quality_loss_weight"], "quality_loss_weight"),
        ("set_input_embeddings", ["get_input_embeddings"], None),  # begins otherwise
        ("toy_scale_2", ["toy_scale"], None),  # differs in a number
        ("layer_1", ["layer_2"], None),
        ("forward_chunk", ["forward"], None),  # not alike enough
        ("anything", [], None),
    ],
)
def test_slips(name: str, known: list[str], meant: str | None) -> None:
    assert slip(name, known) == meant


@given(st.text("abcdefgh_", min_size=12, max_size=24).filter(str.isidentifier), st.data())
def test_a_letter_left_out_is_a_slip_and_a_name_is_none_of_its_own(name: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(name) - 1))
    shorter = name[:place] + name[place + 1 :]
    assert slip(shorter, [name]) == name
    assert slip(name, []) is None


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("x = 1", ["x"]),
        ("x: int = 1", ["x"]),
        ("x = y = 1", ["x", "y"]),
        ("def f(): ...", ["f"]),
        ("async def f(): ...", ["f"]),
        ("class A: ...", ["A"]),
        ("x.y = 1", []),
        ("f()", []),
    ],
)
def test_what_a_statement_defines(statement: str, names: list[str]) -> None:
    assert own_names(ast.parse(statement).body[0]) == names
