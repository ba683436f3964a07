"""Which layers have gates, and what the gates read."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from facts.text import Module, assigned, base_name, method
from facts.values import LayerFacts


GATE = "quality_gate"


def layer_classes(modeling: Module) -> tuple[LayerFacts, ...]:
    """The classes of decoder layers: those with a gate, and those beside them in the same list of layers."""
    gated = [name for name, node in modeling.classes.items() if GATE in _attributes(node)]
    if not gated:
        raise LookupError("no class of the modeling file has a `quality_gate`")
    beside = [
        name
        for name, node in modeling.classes.items()
        if name not in gated and name.endswith("DecoderLayer") and method(node, "forward")
    ]
    return tuple(_layer(modeling.classes[name]) for name in modeling.classes if name in gated or name in beside)


def gate_class(modeling: Module) -> str:
    """The class of the gates, as the layers construct it."""
    for node in modeling.classes.values():
        value, _ = _attributes(node).get(GATE, (None, False))
        for call in ast.walk(value) if value else ():
            if isinstance(call, ast.Call) and base_name(call.func) in modeling.classes:
                return base_name(call.func)
    raise LookupError("no layer constructs its `quality_gate` from a class of the modeling file")


def _attributes(node: ast.ClassDef) -> dict[str, tuple[ast.expr, bool]]:
    init = method(node, "__init__")
    return assigned(init) if init else {}


def _layer(node: ast.ClassDef) -> LayerFacts:
    attributes = _attributes(node)
    _, conditional = attributes.get(GATE, (None, False))
    norm, feed_forward = (
        each if not attributes.get(each.partition(".")[0], (None, True))[1] else "" for each in _around_the_gate(node)
    )
    return LayerFacts(node.name, GATE in attributes, conditional, norm, feed_forward, tuple(attributes))


def _around_the_gate(node: ast.ClassDef) -> tuple[str, str]:
    """What gave the gate's input, and what takes it next:

    x = self.some_norm(h)
    _, ratio = self.quality_gate(x)
    y = self.mlp(x)                     -> "some_norm", "mlp"; "" for what is not as plain as that
    """
    forward = method(node, "forward")
    given_by: dict[str, str] = {}
    norm = gated = ""
    for statement in _in_order(forward.body if forward else []):
        for called, argument in _calls(statement):
            if called == GATE:
                norm, gated = given_by.get(argument, ""), argument
            elif gated and argument == gated:
                return norm, called
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                given_by.pop(ast.unparse(target), None)
            if isinstance(statement.value, ast.Call):
                given_by |= {ast.unparse(statement.targets[0]): called for called, _ in _calls(statement)}
    return norm, ""


def _calls(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """`self.mlp(x)` in a statement: ("mlp", "x"), where x is all it takes; of one with branches, in its condition."""
    for call in ast.walk(statement.test if isinstance(statement, ast.If) else statement):
        if isinstance(call, ast.Call) and len(call.args) == 1 and ast.unparse(call.func).startswith("self."):
            yield ast.unparse(call.func).removeprefix("self."), ast.unparse(call.args[0])


def _in_order(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a body, those inside branches after their head."""
    found: list[ast.stmt] = []
    for statement in body:
        found.append(statement)
        if isinstance(statement, ast.If):
            found += _in_order(statement.body) + _in_order(statement.orelse)
    return found
