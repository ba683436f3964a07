"""What else a delta has to name, because the classes that it changes reach it."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter

from syntax.modules import Module
from syntax.queries import names_in

from weave.base import Base


def reached(module: Module, names: Iterable[str]) -> dict[str, None]:
    """Some definitions of a module and all that they name in it, transitively, in the order they are met."""
    found = dict.fromkeys(name for name in names if name in module.definitions)
    waiting = list(found)
    for name in waiting:  # grows while it is walked
        for other in sorted(names_in(module.definitions[name]) & set(module.definitions)):
            if other not in found:
                found[other] = None
                waiting.append(other)
    return found


def other_configs(base: Base, roots: Iterable[str], own: str) -> list[str]:
    """The configuration classes beside the gated model's own that its classes take or mention, parents first."""
    mentioned = {
        name
        for definition in reached(base.modeling, roots)
        for name in names_in(base.modeling.definitions[definition])
    }
    module = base.configuration
    found = reached(module, sorted(mentioned & set(module.classes) - {own}))
    return [name for name in module.classes if name in found and name != own]


def circular(base: Base, pretrained: str, defined: Iterable[str]) -> list[str]:
    """The classes that the PreTrainedModel names and that inherit from it: each has to stand behind it."""
    module, known = base.modeling, set(defined)
    found = [
        name
        for name in reached(module, [pretrained])
        if name in module.classes and name != pretrained and name not in known
        if pretrained in (each.name for each in module.lineage(module.classes[name])[1:])
    ]
    edges = {
        name: {each.name for each in module.lineage(module.classes[name])[1:]} & set(found)
        | names_in(module.classes[name]) & set(found) - {name}
        for name in found
    }
    return list(TopologicalSorter(edges).static_order())
