"""A feed-forward part in one forward, up to its residual: `x = residual + self.mlp(x)` in all its spellings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from syntax.modules import Module
from weave.place import Place

from scaffold.sites.fit import Spot, fit
from scaffold.sites.residual import FeedForwardPart, find_parts
from scaffold.sites.syntax import calls_in, contains, simple_statements
from scaffold.sites.values import Found, NoPlace


_VALUED = ast.Assign | ast.AugAssign | ast.Return


def find_single(module: Module, layer: ast.ClassDef, names: frozenset[str]) -> Found | None:
    """The smallest place that says where the gate of a layer stands; None for layers without such a part.

    Raises NoPlace.
    """
    forward = module.method(layer, "forward")
    if not names:
        return None
    if forward is None:
        raise NoPlace(layer.lineno, f"{layer.name} has no forward")
    parts = find_parts(module, layer, forward, names)
    wanted = tuple(part.spot for part in parts)
    for place in _candidates(parts[0]):
        if _spots(forward, place) == wanted:
            return Found({layer.name: place}, tuple(spot.score[0] for spot in wanted))
    raise NoPlace(wanted[0].score[0], "no anchors tell this place from others")


def _spots(forward: ast.FunctionDef, place: Place) -> tuple[Spot, ...] | None:
    try:
        return fit(forward, place)
    except NoPlace:
        return None


def _candidates(part: FeedForwardPart) -> Iterator[Place]:
    """Places that may be this one, the shorter ones first."""
    for opener in part.openers:
        reader = ast.unparse(opener.func)
        inside = any(contains(call, opener) for call in part.calls if call is not opener)  # `self.fc2(self.fc1(x))`
        own = [] if inside else [Place(reader, reader)]
        for place in (*own, *_behind(part, reader), *_before_sum(part, reader)):
            yield replace(place, adds=part.spot.adds, tokens=part.tokens)


def _behind(part: FeedForwardPart, reader: str) -> Iterator[Place]:
    """The scale behind a later call."""
    values = [each.value for each in simple_statements(part.end) if isinstance(each, _VALUED) and each.value]
    callees = dict.fromkeys(ast.unparse(call.func) for value in values for call in calls_in(value))
    yield from (Place(reader, callee) for callee in callees if callee != reader)


def _before_sum(part: FeedForwardPart, reader: str) -> Iterator[Place]:
    """The scale before the statement that adds the residual."""
    for each in part.joining:
        yield Place(reader, part.spot.scaled, into=ast.unparse(each))
