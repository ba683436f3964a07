"""Which attributes of a decoder layer are its feed-forward part."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from syntax.modules import Module
from syntax.queries import assigned_calls, last_name

from scaffold.name_rules import BESIDE_FEED_FORWARD, FEED_FORWARD, MIXERS, WITHOUT_WEIGHTS


def feed_forward_names(module: Module, layer: ast.ClassDef) -> frozenset[str]:
    """The attributes of a layer that hold its feed-forward part: a module each, or the linear maps of one."""
    return frozenset(_names(module, layer))


def _names(module: Module, layer: ast.ClassDef) -> Iterator[str]:
    for each in module.lineage(layer):
        for name, call, _ in assigned_calls(module.own_method(each, "__init__")):
            kind = last_name(call.func)
            if _is_word(name) and not BESIDE_FEED_FORWARD.fits(name) and not WITHOUT_WEIGHTS.fits(kind):
                yield name


def _is_word(name: str) -> bool:
    return FEED_FORWARD.fits(name) and not MIXERS.fits(name)
