"""Where a gate goes in a layer: the anchors that a short delta declares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Anchors in a layer's forward; each is one Python expression in the base's own words (docs/weaving.md)."""

    reads: str  # a call: the gate is given its first argument
    scales: str | None = None  # a call behind it, whose result is scaled; with `into`, what is scaled
    into: str | None = None  # an expression behind `reads`: the scale stands before its statement
    hands: str | None = None  # a call that is given the ratio, since another class scales
    normed: str | None = None  # a module put on the input first
    adds: str | None = None  # the argument of the call that is the residual
    tokens: str | None = None  # the name of the shape that the hidden states had before they were flattened
    when: str | None = None  # condition on `self` for having a gate


@dataclass(frozen=True, slots=True)
class Scaled:
    """What a class scales that is handed the ratio by a layer."""

    name: str
    into: str
