"""The output of a layer: what its one return gives first."""

from __future__ import annotations

import ast

from weave.modules import Module

from scaffold.sites.values import Before, Found, NoPlace


def find_layer_output(module: Module, layer: ast.ClassDef, names: frozenset[str]) -> Found:
    """The place before a layer returns. Raises NoPlace where it returns in several places, or not at its end."""
    forward = module.method(layer, "forward")
    if forward is None:
        raise NoPlace(layer.lineno, f"{layer.name} has no forward")
    returns = [each for each in ast.walk(forward) if isinstance(each, ast.Return)]
    last = forward.body[-1]
    if len(returns) != 1 or returns[0] is not last or last.value is None:
        line = min((each.lineno for each in returns), default=last.lineno)
        raise NoPlace(line, f"{layer.name} does not return once, at its end")
    return Found({layer.name: Before("return")}, (last.lineno,))


def first_returned(value: ast.expr) -> ast.expr:
    """What a layer's output is of all that it returns: of a tuple its first item, of `(x,) + rest` that of the tuple."""
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add) and _is_tuple(value.left):
        value = value.left
    return value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value


def _is_tuple(value: ast.expr) -> bool:
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        value = value.left
    return isinstance(value, ast.Tuple)
