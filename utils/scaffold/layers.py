"""The decoder layers of a delta: the base's, with a gate."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

from scaffold.branches import branched_layer
from scaffold.chunks import CHUNK, chunked_layer
from scaffold.feedforward import feed_forward_names
from scaffold.find import Base
from scaffold.gate import NoPlace, insert_gate
from scaffold.heads import is_documented
from scaffold.modules import Function
from scaffold.plumbing import asks, dedent_function, indent_function, rename
from scaffold.stack import Stack


@dataclass(frozen=True)
class Layer:
    """One class of decoder layers with a gate."""

    name: str
    parent: str
    parameters: str  # of its constructor, "config: QualityGateMistralConfig, layer_idx: int"
    arguments: str  # for the base's, "config, layer_idx"
    forward: str
    places: tuple[str, ...]  # "file:line" of the base's statements that the gates stand before
    members: str = ""  # other methods that the gate changes
    condition: str = ""  # when a layer of this class has a gate; always, where it is empty
    adder: tuple[str, str, str] | None = None  # the class that adds the residual: its name, the base's, its forward


def gated_layers(base: Base, stack: Stack, names: Mapping[str, str]) -> tuple[Layer, ...]:
    """The layers of a base that have a feed-forward part. Raises ConversionError where one cannot be gated."""
    module = base.modeling
    found = [(node, feed_forward_names(module, node)) for node in stack.layers]
    gated = [
        (node, attributes)
        for node, attributes in found
        if attributes or module.own_method(node, CHUNK) or branched_layer(module, node)
    ]
    if not gated:
        message = f"no layer of {stack.model.name} has a feed-forward part that a gate could be put before"
        place = stack.layers[0] if stack.layers else stack.model
        raise module.refuse(place, "no-feed-forward", message, "choose a base with attention and feed-forward parts")
    return tuple(_layer(base, stack, node, attributes, names) for node, attributes in gated)


def _layer(
    base: Base, stack: Stack, node: ast.ClassDef, attributes: frozenset[str], names: Mapping[str, str]
) -> Layer:
    module = base.modeling
    forward, init = module.method(node, "forward"), module.method(node, "__init__")
    try:
        chunked = chunked_layer(module, node, names)
        branched = None if attributes or chunked else branched_layer(module, node)
        special = chunked or branched
        gated = None if special else insert_gate(dedent_function(module, forward), attributes)
    except NoPlace as problem:
        line, message = forward.lineno + problem.line - 1, f"{node.name}: {problem}"
        raise module.source.refuse(line, 1, "no-place", message, "write this delta by hand") from None
    own, lines = (special.forward, (special.line,)) if special else (gated.text, gated.lines)
    lines = (forward.lineno + line - 1 for line in lines)
    places = tuple(f"{module.source.path}:{line}" for line in lines)
    text = indent_function(rename(asks(own, is_documented(forward)), names))
    if init is None or "config" not in (each.arg for each in init.args.args):
        message = f"{node.name} is not made from a configuration alone"
        raise module.refuse(init or node, "no-place", message, "write this delta by hand")
    if base.renaming.word(node.name) == node.name:
        message = (
            f"{node.name} is not named after its model: {stack.model.name} would go on building it without a gate"
        )
        raise module.refuse(
            node, "no-place", message, "write this delta by hand, with a constructor that builds yours"
        )
    parameters, arguments = _constructor(init, base.gated(stack.config), names)
    layer = Layer(base.gated(node.name), node.name, parameters, arguments, text, places)
    if chunked is None:
        return replace(layer, condition=branched.condition) if branched else layer
    adder = (base.gated(chunked.adder), chunked.adder, chunked.adder_forward)
    return replace(layer, members=chunked.chunk, adder=adder)


def _constructor(init: Function, config: str, names: Mapping[str, str]) -> tuple[str, str]:
    """The parameters of a layer's constructor, and how they are handed on."""
    own = deepcopy(init.args)
    for each in own.args:
        if each.arg == "config":
            each.annotation = ast.Name(config)
    parameters = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), ast.unparse(own))
    return parameters.removeprefix("self, "), ", ".join(each.arg for each in own.args[1:])
