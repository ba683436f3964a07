"""The places of a gate in the layers of a base: each layer's, by the first finder that knows how it is spelt."""

from __future__ import annotations

import ast

from syntax.modules import Module
from weave.base import Base
from weave.gate import Site as Places
from weave.kinds import GateKind
from weave.place import Scaled
from weave.place_checks import made_by_parent
from weave.stack import Stack

from scaffold.feedforward import feed_forward_names
from scaffold.sites.table import ATTENTION_OUTPUT, EXPERTS_OUTPUT, FEED_FORWARD, LAYER_OUTPUT, Site
from scaffold.sites.values import Found, NoPlace


_SITES = {
    Places.EXPERTS_OUTPUT: EXPERTS_OUTPUT,
    Places.ATTENTION_OUTPUT: ATTENTION_OUTPUT,
    Places.LAYER_OUTPUT: LAYER_OUTPUT,
}
BY_HAND = "write this delta by hand, and say in it where the gate goes"


def site_of(kind: GateKind) -> Site:
    """Where the gates of a kind go, by its splices."""
    found = (site for place, site in _SITES.items() if place in kind.splices)
    return next(found, FEED_FORWARD)


def find_places(base: Base, stack: Stack, site: Site = FEED_FORWARD) -> dict[str, Found]:
    """The places of each layer of a base that has the site, by the name of its class.

    Raises ConversionError: the site's code where no layer has it, `no-place` where one has no place for a gate.
    """
    module = base.modeling
    found = {node.name: place for node in stack.layers if (place := find_place(module, node, site))}
    if not found:
        message = f"no layer of {stack.model.name} has {site.lacking}"
        where = stack.layers[0] if stack.layers else stack.model
        raise module.refuse(where, site.code, message, site.fix)
    declared = {name: each for place in found.values() for name, each in place.declared.items()}
    for name, each in declared.items():
        node = module.classes[name]
        if not isinstance(each, Scaled) and not made_by_parent(module, node, declared):
            _check_class(base, stack, node)
    return found


def find_place(module: Module, layer: ast.ClassDef, site: Site = FEED_FORWARD) -> Found | None:
    """The place of one layer's gate; None where it has no such site. Raises ConversionError (`no-place`)."""
    names = feed_forward_names(module, layer)
    try:
        return next(filter(None, (each.find(module, layer, names) for each in site.finders)), None)
    except NoPlace as problem:
        message = f"{layer.name}: {problem}"
        raise module.source.refuse(problem.line, 1, "no-place", message, BY_HAND) from None


def _check_class(base: Base, stack: Stack, node: ast.ClassDef) -> None:
    """Refuse a layer that cannot be made with a gate, or that the base would go on making without one."""
    module = base.modeling
    init = module.method(node, "__init__")
    if init is None or "config" not in (each.arg for each in init.args.args):
        message = f"{node.name} is not made from a configuration alone"
        raise module.refuse(init or node, "no-place", message, BY_HAND)
    if base.renaming.word(node.name) == node.name:
        message = (
            f"{node.name} is not named after its model: {stack.model.name} would go on building it without a gate"
        )
        raise module.refuse(node, "no-place", message, f"{BY_HAND}, with a constructor that builds yours")
