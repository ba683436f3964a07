"""Layers with a gate on what they return."""

from __future__ import annotations

from textwrap import dedent

import pytest
from toy_deltas import forward, library
from weave.anchors import Misfit, parse
from weave.gate import Site
from weave.kinds import GateKind, read_kind
from weave.layer_output import at_the_end, first_returned, numbered
from weave.place import Returns


def memory() -> GateKind:
    return read_kind("memory", library().load)


def gated(body: str, returns: str = "x") -> str:
    """The body of a forward with a gate, at the left margin."""
    text = at_the_end(forward(body, "self, x, **kwargs"), Returns(returns), memory().splices).text
    return dedent(text.partition("\n")[2])


def gate(name: str) -> str:
    return f"if memory is not None:\n    {name} = memory.read(self, {name})\n"


@pytest.mark.parametrize(
    ("body", "returns", "expected"),
    [
        ("x = self.mlp(x)\nreturn x\n", "x", f"x = self.mlp(x)\n{gate('x')}return x\n"),
        ("return x, weights\n", "x", f"{gate('x')}return x, weights\n"),
        ("return (x,) + rest\n", "x", f"{gate('x')}return (x,) + rest\n"),
        (
            "return self.mlp(x) + residual\n",
            "self.mlp(x)+residual",
            f"layer_output = self.mlp(x) + residual\n{gate('layer_output')}return layer_output\n",
        ),
        (
            "return (\n    self.mlp(x),\n    weights,\n)\n",
            "self.mlp(x)",
            f"layer_output = self.mlp(x)\n{gate('layer_output')}return (\n    layer_output,\n    weights,\n)\n",
        ),
    ],
)
def test_a_gate_stands_before_the_return(body: str, returns: str, expected: str) -> None:
    assert gated(body, returns) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("if self.a:\n    return y\nreturn x\n", "does not return once, at its end"),
        ("x = 1\n", "does not return once, at its end"),
        ("return\n", "returns nothing"),
        ("return y\n", "`x` is not what it returns first, `y` is"),
        ("x = (y,)\nreturn x\n", "`x` is a tuple"),
    ],
)
def test_what_has_no_end_for_a_gate_is_refused(body: str, message: str) -> None:
    with pytest.raises(Misfit) as refused:
        gated(body)
    assert message in str(refused.value) and refused.value.line > 1


@pytest.mark.parametrize("value", ["x", "(x, w)", "(x,) + rest", "(x,) + rest + more"])
def test_the_first_of_what_is_returned(value: str) -> None:
    assert first_returned(parse(value)).id == "x"


def test_a_constructor_is_told_the_number_of_its_layer() -> None:
    spliced = memory().splices[Site.LAYER]
    assert "gate_of_memory(config, layer_idx, MemoryGate)" in numbered(spliced, Returns("x"))
    assert "gate_of_memory(config, layer_id, MemoryGate)" in numbered(spliced, Returns("x", "layer_id"))
