"""A base that changes under a delta is loud: each anchor renamed away, or its statement doubled, in every real forward.

The forwards are those of the installed transformers, changed in memory.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from functools import cache

import pytest
from building.workspace import PROJECT
from syntax.modules import Module, read_module
from syntax.source import Source
from toy_deltas import library
from weave.anchors import Misfit, fits, path_to
from weave.chunked import hand, scale_handed
from weave.declaration import read_declaration
from weave.forwarding import dedent_function
from weave.kinds import GateKind, read_kind
from weave.place import Place, Scaled
from weave.splice import splice


DELTAS = sorted((PROJECT / "modular").glob("modular_quality_gate_*.py"))


@cache
def quality() -> GateKind:
    return read_kind("quality", library().load)


def declared() -> Iterator[tuple[str, Module, ast.ClassDef, Place | Scaled]]:
    """Every place of every delta: its model, the base's module and class, and the words."""
    for path in DELTAS:
        read = read_declaration(Source(path.name, path.stem, path.read_text(encoding="utf-8")), quality())
        source = library().load(read.base)
        assert source is not None
        module = read_module(source)
        for parent, each in read.places.items():
            yield read.model, module, module.classes[parent], each.place


def gone(function: ast.FunctionDef, anchor: str) -> ast.FunctionDef:
    """The function with what an anchor means called otherwise."""
    changed = deepcopy(function)
    for each in fits(changed, anchor):
        if isinstance(each, ast.BinOp):
            each.op = ast.Mult()
        elif isinstance(each, ast.Call):
            each.func, each.args[:1] = ast.parse("self.renamed", mode="eval").body, each.args[:1]
    return changed


def twice(function: ast.FunctionDef, anchor: str) -> ast.FunctionDef:
    """The function with the last statement that an anchor means written twice."""
    changed = deepcopy(function)
    block, place = path_to(changed, fits(changed, anchor)[-1])[-1]
    block.insert(place, deepcopy(block[place]))
    return changed


def text_of(function: ast.FunctionDef) -> str:
    plain = deepcopy(function)
    plain.decorator_list = []
    return ast.unparse(ast.fix_missing_locations(plain)) + "\n"


def is_refused(place: Place | Scaled, forward: str, chunk: str) -> bool:
    try:
        if isinstance(place, Scaled):
            scale_handed(forward, place, quality().splices)
        elif place.hands:
            hand(forward, chunk, place, quality().splices)
        else:
            splice(forward, place, quality().splices)
    except Misfit:
        return True
    return False


def anchors(place: Place | Scaled) -> list[str]:
    if isinstance(place, Scaled):
        return [place.into]
    return [place.reads] if place.hands else [place.reads, place.into or place.scales or ""]


def test_every_mutation_of_every_base_is_refused() -> None:
    tried, accepted = 0, []
    for model, module, node, place in declared():
        forward = module.method(node, "forward")
        [function] = ast.parse(dedent_function(module, forward)).body
        method = module.method(node, place.reads.removeprefix("self.")) if getattr(place, "hands", None) else None
        chunk = dedent_function(module, method) if method else ""
        assert not is_refused(place, text_of(function), chunk), model
        for anchor in anchors(place):
            for change in (gone, twice):
                tried += 1
                if not is_refused(place, text_of(change(function, anchor)), chunk):
                    accepted.append((model, node.name, change.__name__, anchor))
    assert accepted == []
    assert tried >= 588


@pytest.mark.parametrize("anchor", ["self.norm", "self.mlp"])
def test_the_mutations_change_what_they_say(anchor: str) -> None:
    [function] = ast.parse("def forward(self, x):\n    if x:\n        x = self.mlp(self.norm(x))\n    return x").body
    assert not fits(gone(function, anchor), anchor) and len(fits(twice(function, anchor), anchor)) == 2
    assert len(fits(function, anchor)) == 1
