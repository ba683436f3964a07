"""Which layers have gates, and what the gates read."""

from __future__ import annotations

import ast

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
    return LayerFacts(node.name, GATE in attributes, conditional, _gated_norm(node), tuple(attributes))


def _gated_norm(node: ast.ClassDef) -> str:
    """`x = self.some_norm(h)`, ..., `self.quality_gate(x)` -> "some_norm"; "" where no such line comes before."""
    forward = method(node, "forward")
    norms: dict[str, str] = {}
    for statement in _in_order(forward.body if forward else []):
        for call in ast.walk(statement) if not isinstance(statement, ast.If) else ():
            if isinstance(call, ast.Call) and ast.unparse(call.func) == f"self.{GATE}" and call.args:
                return norms.get(ast.unparse(call.args[0]), "")
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                norms.pop(ast.unparse(target), None)
            if isinstance(value := statement.value, ast.Call) and ast.unparse(value.func).startswith("self."):
                norms[ast.unparse(statement.targets[0])] = ast.unparse(value.func).removeprefix("self.")
    return ""


def _in_order(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a body, those inside branches after their head."""
    found: list[ast.stmt] = []
    for statement in body:
        found.append(statement)
        if isinstance(statement, ast.If):
            found += _in_order(statement.body) + _in_order(statement.orelse)
    return found
