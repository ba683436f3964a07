"""What a mixture of experts adds to the residual: the feed-forward part of the layers that have experts."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from syntax.modules import Module
from syntax.queries import assigned_calls, assigned_names, is_self, last_name, names_in
from weave.anchors import parse
from weave.place import Place

from scaffold.name_rules import ATTENTION_ATTRIBUTE, BESIDE_EXPERTS, EXPERTS
from scaffold.sites.branch import find_branch
from scaffold.sites.single import find_single
from scaffold.sites.values import Found, NoPlace


_COUNTS = ("num_experts", "n_experts", "num_local_experts", "n_routed_experts")
_DEEP = 2  # a mixture holds its experts itself, or in one part


@dataclass(frozen=True, slots=True)
class _Part:
    """An attribute of a layer, and the classes that it may be of."""

    name: str
    classes: tuple[ast.ClassDef, ...]
    is_sure: bool  # whether every layer has it


def find_experts_output(module: Module, layer: ast.ClassDef, names: frozenset[str]) -> Found | None:
    """The place of a gate on a mixture of experts; None for layers without one. Raises NoPlace.

    Where only some layers of a class have experts, the place says when: `hasattr(self.mlp, "experts")`.
    """
    parts = {each.name: each for each in _parts(module, layer)}
    mixing = {name: each for name, each in parts.items() if any(_expert(module, one) for one in each.classes)}
    if not mixing:
        return None
    found = _found(module, layer, names, frozenset(mixing))
    [(name, place)] = found.declared.items()
    assert isinstance(place, Place)
    read = parts.get(_read(place))
    own = read if read and read.name in mixing else min(mixing.values(), key=lambda each: each.name not in names)
    return replace(found, declared={name: replace(place, when=_when(module, own))})


def _found(module: Module, layer: ast.ClassDef, names: frozenset[str], mixing: frozenset[str]) -> Found:
    """The place of the whole feed-forward part, or of the mixture alone where it runs beside other parts."""
    try:
        found = find_branch(module, layer, names) or find_single(module, layer, names)
    except NoPlace:
        if mixing >= names:
            raise
        found = find_single(module, layer, mixing & names)
    if found is None:
        raise NoPlace(layer.lineno, f"{layer.name} has experts, and no statement that adds what they give")
    return found


def _read(place: Place) -> str:
    """The attribute of the layer that a place reads."""
    found = [each.attr for each in filter(is_self, ast.walk(parse(place.reads)))]
    return found[0] if found else ""


def _when(module: Module, part: _Part) -> str | None:
    """The condition on which a layer has experts; None where each of its class does."""
    if not part.is_sure:
        return f'getattr(self, "{part.name}", None) is not None'
    experts = [_expert(module, each) for each in part.classes]
    return None if all(experts) else f'hasattr(self.{part.name}, "{next(filter(None, experts))}")'


def _expert(module: Module, owner: ast.ClassDef, deep: int = _DEEP) -> str | None:
    """The attribute of a class that holds experts, itself or in a part of it."""
    made = [pair for each in module.lineage(owner) for pair in _made(module, each)]
    known = [name for name, call in made if any(map(EXPERTS.fits, (name, last_name(call.func), *names_in(call.func))))]
    if known:
        return "experts" if "experts" in known else known[0]
    for name, call in made if deep > 1 else ():
        if any(_expert(module, each, deep - 1) for each in _classes(module, call.func)):
            return name
    return next((name for each in module.lineage(owner) for name in _counted(module, each)), None)


def _counted(module: Module, owner: ast.ClassDef) -> Iterator[str]:
    """The attributes in which a class keeps how many experts it has: one of few names for what it holds in tables."""
    init = module.own_method(owner, "__init__")
    yield from (each.attr for each in filter(is_self, ast.walk(init)) if each.attr in _COUNTS) if init else ()


def _made(module: Module, owner: ast.ClassDef) -> Iterator[tuple[str, ast.Call]]:
    calls = assigned_calls(module.own_method(owner, "__init__"))
    yield from ((name, call) for name, call, _ in calls if not BESIDE_EXPERTS.fits(name))


def _parts(module: Module, layer: ast.ClassDef) -> Iterator[_Part]:
    """The attributes of a layer that are made of classes of the module: by themselves, through tables or local names."""
    for each in module.lineage(layer):
        init = module.own_method(each, "__init__")
        found: dict[str, list[ast.ClassDef]] = {}
        for name, _, statement in assigned_calls(init):
            if init and not ATTENTION_ATTRIBUTE.fits(name):
                found.setdefault(name, []).extend(_classes(module, statement, _locals(init)))
        yield from (
            _Part(name, tuple(owners), _assigns(init.body, name)) for name, owners in found.items() if init and owners
        )


def _assigns(block: list[ast.stmt], name: str) -> bool:
    """Whether a block gives a layer an attribute on every path through it."""
    for each in block:
        if isinstance(each, ast.If) and _assigns(each.body, name) and _assigns(each.orelse, name):
            return True
        if isinstance(each, ast.Assign) and is_self(target := each.targets[0]) and target.attr == name:
            return not _may_be_none(each.value)
    return False


def _locals(init: ast.FunctionDef) -> dict[str, ast.expr]:
    """What a constructor calls by names of its own."""
    assigned = [each for each in ast.walk(init) if isinstance(each, ast.Assign)]
    return {name: each.value for each in assigned for name in assigned_names(each)[:1]}


def _may_be_none(value: ast.expr) -> bool:
    sides = (value.body, value.orelse) if isinstance(value, ast.IfExp) else ()
    return any(isinstance(each, ast.Constant) and each.value is None for each in sides)


def _classes(module: Module, tree: ast.AST, local: Mapping[str, ast.expr] | None = None) -> Iterator[ast.ClassDef]:
    for name in sorted(names_in(tree)):
        definition = module.definitions.get(name)
        if isinstance(definition, ast.ClassDef):
            yield definition
        elif isinstance(definition, ast.Assign):
            yield from _classes(module, definition.value)
        elif local and name in local:
            yield from _classes(module, local[name])
