"""The output of a layer: what its one return gives first."""

from __future__ import annotations

import ast

from syntax.modules import Module
from weave.anchors import Misfit
from weave.layer_output import returned
from weave.place import NUMBER, Returns

from scaffold.sites.values import Found, NoPlace


_NUMBERS = (NUMBER, "layer_id", "layer_index", "layer_number", "idx")  # what constructors call which layer theirs is


def find_layer_output(module: Module, layer: ast.ClassDef, names: frozenset[str]) -> Found | None:
    """The place before a layer returns.

    Raises NoPlace where it returns in several places, or not at its end, and where it is not told which layer it is.
    """
    forward, init = module.method(layer, "forward"), module.method(layer, "__init__")
    if forward is None:
        raise NoPlace(layer.lineno, f"{layer.name} has no forward")
    try:
        output, last = returned(forward)
    except Misfit as problem:
        raise NoPlace(problem.line, f"its forward has no end for a gate: {problem}") from None
    parameters = {each.arg for each in (*init.args.args, *init.args.kwonlyargs)} if init else set()
    number = next((each for each in _NUMBERS if each in parameters), None)
    if number is None:
        raise NoPlace((init or layer).lineno, "its constructor is not told which layer it is")
    return Found({layer.name: Returns(ast.unparse(output), None if number == NUMBER else number)}, (last.lineno,))
