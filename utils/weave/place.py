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

    @property
    def contradiction(self) -> tuple[str, str] | None:
        """Why these words say no place together, and what to say instead; None where they say one."""
        if self.hands is not None:
            spare = [name for name in ("scales", "into", "adds", "tokens") if getattr(self, name) is not None]
            if spare:
                told = f"declare `Scaled(...)` in the class that `{self.hands}` is of, and leave out `{spare[0]}`"
                return f"what `hands` says is scaled in another class, so `{spare[0]}` would change nothing", told
        elif self.scales is None:
            return "this place does not say what is scaled", 'add `scales="..."`: the call whose result it is'
        elif self.adds is not None and (self.into is not None or self.scales != self.reads):
            return "a call that adds the residual itself is scaled where it is", "say the same in `reads` and `scales`"
        return None


@dataclass(frozen=True, slots=True)
class Scaled:
    """What a class scales that is handed the ratio by a layer."""

    name: str
    into: str


@dataclass(frozen=True, slots=True)
class Feeds:
    """Where a gate goes in an attention class: on what its output projection is given, all heads side by side."""

    feeds: str  # the projection: "self.o_proj"
    # in its constructor, how many heads it has; else the configuration's `num_attention_heads`
    heads: str | None = None
    width: str | None = None  # how wide its input is; else the configuration's `hidden_size`


NUMBER = "layer_idx"  # what bases call which layer one is


@dataclass(frozen=True, slots=True)
class Returns:
    """Where a gate goes at the end of a layer: on what its forward returns, of several things the first."""

    returns: str  # that expression: "hidden_states"
    number: str | None = None  # in its constructor, which layer it is; else `layer_idx`


Where = Place | Scaled | Feeds | Returns
