"""The output of attention, its heads side by side: what the output projection of an attention class is given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import takewhile

from syntax.modules import Function, Module
from syntax.queries import assigned_calls, dotted, is_self, last_name, names_in
from weave.anchors import fits
from weave.place import Feeds

from scaffold.name_rules import ATTENTION_CLASS, BESIDE_ATTENTION, QUERY, USUAL_WIDTH
from scaffold.sites.syntax import exclusive, given
from scaffold.sites.values import Found, NoPlace


# What bases call the projection, the last of low-rank ones; `dense` and `proj` are the less telling names
_PROJECTIONS = ("o_proj", "out_proj", "o_b_proj", "c_proj", "wo", "Wo", "dense", "proj")
_HEADS = ("num_heads", "num_attention_heads", "n_heads", "n_head")  # what bases call the number of heads
_USUAL_HEADS = "config.num_attention_heads"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+")


def find_attention_output(module: Module, layer: ast.ClassDef, names: frozenset[str]) -> Found | None:
    """The place in each attention class that a layer is made of; None for layers without attention.

    Raises NoPlace where one has no output projection of its own, or gives it several things.
    """
    found = {owner.name: _projection(module, owner) for owner in _attention_classes(module, layer)}
    if not found:
        return None
    return Found({name: feeds for name, (feeds, _) in found.items()}, tuple(line for _, line in found.values()))


def _projection(module: Module, owner: ast.ClassDef) -> tuple[Feeds, int]:
    forward = module.method(owner, "forward")
    if forward is None:
        raise NoPlace(owner.lineno, f"{owner.name} has no forward")
    made = {name for each in module.lineage(owner) for name in _made(module, each)}
    for name in _PROJECTIONS:
        found = fits(forward, f"self.{name}") if name in made else []
        calls = [each for each in found if isinstance(each, ast.Call)]
        if not exclusive(forward, calls):
            raise NoPlace(calls[1].lineno, f"{owner.name} calls `self.{name}` {len(calls)} times")
        if calls and given(calls[0]) is None:
            raise NoPlace(calls[0].lineno, f"{owner.name} gives `self.{name}` nothing")
        if calls:
            return Feeds(f"self.{name}", _heads(module, owner), _width(module, owner)), calls[0].lineno
    raise NoPlace(forward.lineno, f"{owner.name} has no output projection of its own")


def _heads(module: Module, owner: ast.ClassDef) -> str | None:
    """The attribute that holds the number of heads, where that is not what the configuration calls so."""
    for each in module.lineage(owner):
        init = module.own_method(each, "__init__")
        for node in ast.walk(init) if init else ():
            if isinstance(node, ast.Assign) and is_self(target := node.targets[0]) and target.attr in _HEADS:
                return None if dotted(node.value) == _USUAL_HEADS else f"self.{target.attr}"
    return None


def _width(module: Module, owner: ast.ClassDef) -> str | None:
    """How wide the input is by the query projection, where that is not the width of the model."""
    for each in module.lineage(owner):
        for name, call, _ in assigned_calls(module.own_method(each, "__init__")):
            if QUERY.fits(name) and last_name(call.func).endswith("Linear") and call.args:
                width = ast.unparse(call.args[0])
                if USUAL_WIDTH.fits(width) or names_in(call.args[0]) - {"self", "config"}:
                    return None
                return width
    return None


def _attention_classes(module: Module, layer: ast.ClassDef) -> list[ast.ClassDef]:
    """The attention classes that the constructors of a layer name, and of those what they are made of."""
    found: list[ast.ClassDef] = []
    waiting = [layer]
    for each in waiting:  # grows while it is walked
        for owner in _classes_named(module, each):
            if owner not in waiting and _is_attention(layer.name, owner.name):
                waiting.append(owner)
                found += [owner] if _attends(module, owner) else []
    return found


def _is_attention(layer: str, name: str) -> bool:
    """Whether a class is called attention, and nothing else behind the words that it shares with the layer."""
    words, shared = _WORD.findall(name), _WORD.findall(layer)
    own = "".join(words[sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(words, shared))) :])
    return ATTENTION_CLASS.fits(name) and not BESIDE_ATTENTION.fits(own)


def _attends(module: Module, owner: ast.ClassDef) -> bool:
    """Whether a class computes attention itself and does not leave all of it to a class inside."""
    forward = module.method(owner, "forward")
    inner = [each for each in _classes_named(module, owner) if ATTENTION_CLASS.fits(each.name)]
    return forward is not None and not (inner and not _names_projection(module, owner))


def _names_projection(module: Module, owner: ast.ClassDef) -> bool:
    return any(name in _PROJECTIONS for each in module.lineage(owner) for name in _made(module, each))


def _made(module: Module, owner: ast.ClassDef) -> Iterator[str]:
    yield from (name for name, _, _ in assigned_calls(module.own_method(owner, "__init__")))


def _classes_named(module: Module, owner: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """The classes of a module that the constructors of a class name, by themselves or through tables of classes."""
    constructors = [module.own_method(each, "__init__") for each in module.lineage(owner)]
    waiting: list[Function | ast.stmt] = [each for each in constructors if each]
    seen: set[str] = set()
    for tree in waiting:  # grows while it is walked
        for name in sorted(names_in(tree) - seen):
            seen.add(name)
            definition = module.definitions.get(name)
            if isinstance(definition, ast.ClassDef):
                yield definition
            elif isinstance(definition, ast.Assign):
                waiting.append(definition)
