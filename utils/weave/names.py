"""What the gated classes of a base are called that the base has no class for."""

from __future__ import annotations

from dataclasses import dataclass

from weave.base import Base
from weave.stack import Stack


@dataclass(frozen=True)
class Names:
    """The names that a kind of gate brings to a model."""

    prefix: str  # of all of them: "QualityGateMistral"
    module: str  # the class of the gate: "QualityGateMistralGate"
    output: str  # what the gate adds to outputs: "QualityGateMistralOutput"


def names_of(base: Base, stack: Stack) -> Names:
    """The names, other than usual where the base has classes that are called so."""
    prefix, classes = base.prefix(stack.causal.name), base.modeling.classes
    module = "ScoreGate" if f"{stack.prefix}Gate" in classes else "Gate"
    output = "GateOutput" if f"{stack.prefix}Output" in classes else "Output"
    return Names(prefix, f"{prefix}{module}", f"{prefix}{output}")
