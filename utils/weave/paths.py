"""Where the gates of a model lie below its layers: how tensor parallelism treats them, and what their weights are called."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from syntax.modules import Module
from syntax.queries import assigned_calls, names_in

from weave.base import Base
from weave.declaration import Declaration
from weave.place import Feeds
from weave.stack import Stack


_DEEP = 3  # a layer holds attention itself, or a part that does
_SPLIT = ("rowwise", "rowwise_rep")  # of a projection whose input each device has a share of


def gate_plan(base: Base, stack: Stack, declaration: Declaration) -> dict[str, str]:
    """What the gates add to a plan of tensor parallelism: the path behind that of the layers, and how.

    A gate on attention is split as its kind says where each device has a share of the heads, and whole where it has all.
    """
    kind, theirs = base.kind, _base_plan(base, stack)
    found: dict[str, str] = {}
    for path, place in _places(base, stack, declaration):
        for own, style in kind.plan.items():
            below = f".*{path}{own.removeprefix('.*')}"
            if place is None:
                found[below] = style
                continue
            projection = theirs.get(f"{stack.layers_name}.*{path}.{place.feeds.removeprefix('self.')}")
            found[below] = style if projection in _SPLIT else "replicate"
    return found


def gate_weights(base: Base, stack: Stack, declaration: Declaration) -> list[str]:
    """The names of a gate's weights, below its layer: "quality_gate.gate.weight", "self_attn.attention_gate.gate.weight"."""
    paths = dict.fromkeys(path for path, _ in _places(base, stack, declaration))
    return [f"{path}.{weight}".removeprefix(".") for path in paths for weight in base.kind.weights]


def _places(base: Base, stack: Stack, declaration: Declaration) -> Iterator[tuple[str, Feeds | None]]:
    """The path of each gate below a layer, "" or ".self_attn", and where it goes, where that is not in the layer."""
    inner = {name: each.place for name, each in declaration.places.items() if isinstance(each.place, Feeds)}
    if len(inner) < len(declaration.places):
        yield "", None
    for layer in stack.layers:
        for path, owner in _inside(base.modeling, layer):
            if owner.name in inner:
                yield path, inner[owner.name]


def _inside(
    module: Module, owner: ast.ClassDef, above: str = "", deep: int = _DEEP
) -> Iterator[tuple[str, ast.ClassDef]]:
    """The classes that a class makes its parts of, by themselves or through tables, with their paths."""
    for each in module.lineage(owner) if deep else ():
        for name, call, _ in assigned_calls(module.own_method(each, "__init__")):
            for part in _classes(module, call.func):
                path = f"{above}.{name}"
                yield path, part
                yield from _inside(module, part, path, deep - 1)


def _classes(module: Module, made: ast.expr) -> Iterator[ast.ClassDef]:
    for name in sorted(names_in(made)):
        definition = module.definitions.get(name)
        if isinstance(definition, ast.ClassDef):
            yield definition
        elif isinstance(definition, ast.Assign):
            yield from (module.classes[each] for each in sorted(names_in(definition.value)) if each in module.classes)


def _base_plan(base: Base, stack: Stack) -> dict[str, str]:
    """The base's own plan, as far as it is written out."""
    for owner in base.configuration.lineage(base.configuration.classes[stack.config]):
        value = base.configuration.attribute(owner, "base_model_tp_plan")
        if isinstance(value, ast.Dict):
            pairs = ((key, each) for key, each in zip(value.keys, value.values) if key is not None)
            return {ast.literal_eval(key): str(ast.literal_eval(each)) for key, each in pairs}
    return {}
