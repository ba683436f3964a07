"""Which layers have gates, and what the gates read."""

from __future__ import annotations

import ast
import re

from facts.text import Module, assigned, base_name, method
from facts.values import LayerFacts


_LAYER = re.compile(r"(?:Layer|Block)$")


def layer_classes(modeling: Module, gate: str) -> tuple[LayerFacts, ...]:
    """The classes of decoder layers: those with a gate, and those beside them in the same list of layers.

    `gate` is the attribute that holds it, in a layer itself or in the attention inside.
    """
    owners = [name for name, node in modeling.classes.items() if gate in _attributes(node)]
    if not owners:
        raise LookupError(f"no class of the modeling file has a `{gate}`")
    inner = {name for name in owners if not _LAYER.search(name)}
    gated = [name for name in owners if name not in inner] + _holders(modeling, inner)
    beside = [
        name
        for name, node in modeling.classes.items()
        if name not in gated and name.endswith("DecoderLayer") and method(node, "forward")
    ]
    return tuple(
        _layer(modeling.classes[name], gate, name in gated)
        for name in modeling.classes
        if name in gated or name in beside
    )


def _holders(modeling: Module, inner: set[str]) -> list[str]:
    """The classes of layers that are made of one of some classes, or of what is, themselves or through tables."""
    holding = set(inner)
    while True:
        found = {name for name, node in modeling.definitions.items() if _named(node) & holding} - holding
        found = {name for name in found if not name.endswith(("Model", "Encoder", "Decoder"))}
        if not found:
            return [name for name in modeling.classes if name in holding and name not in inner and _LAYER.search(name)]
        holding |= found


def _named(node: ast.AST) -> set[str]:
    """What a definition names: of a class, what its constructor does."""
    inside = method(node, "__init__") if isinstance(node, ast.ClassDef) else node
    return {each.id for each in ast.walk(inside) if isinstance(each, ast.Name)} if inside else set()


def gate_class(modeling: Module, gate: str) -> str:
    """The class of the gates, as the layers construct it, or have it constructed by a function that they give it to."""
    for node in modeling.classes.values():
        value, _ = _attributes(node).get(gate, (None, False))
        for each in ast.walk(value) if value else ():
            if isinstance(each, ast.Name | ast.Attribute) and base_name(each) in modeling.classes:
                return base_name(each)
    raise LookupError(f"no layer constructs its `{gate}` from a class of the modeling file")


def _attributes(node: ast.ClassDef) -> dict[str, tuple[ast.expr, bool]]:
    init = method(node, "__init__")
    return assigned(init) if init else {}


def _layer(node: ast.ClassDef, gate: str, has_gate: bool) -> LayerFacts:
    attributes = _attributes(node)
    _, conditional = attributes.get(gate, (None, False))
    norm, feed_forward = (
        each if not attributes.get(each.partition(".")[0], (None, True))[1] else ""
        for each in _around_the_gate(node, gate)
    )
    return LayerFacts(node.name, has_gate, conditional, norm, feed_forward, tuple(attributes))


def _around_the_gate(node: ast.ClassDef, gate: str) -> tuple[str, str]:
    """What gave the gate's input, and the one thing that takes it afterwards:

    x = self.some_norm(h)
    _, ratio = self.quality_gate(x)
    y = self.mlp(x)                     -> "some_norm", "mlp"; "" for what is not as plain as that
    """
    forward = method(node, "forward")
    body = forward.body if forward else []
    readers = set(_readers(body, "", gate)[0])
    return _giver(body, gate), readers.pop() if len(readers) == 1 else ""


def _giver(body: list[ast.stmt], gate: str) -> str:
    """The module whose output the gate takes; "" where that depends on the way taken."""
    given_by: dict[str, str] = {}
    givers: set[str] = set()
    for statement in _in_order(body):
        calls = _calls(statement, gate)
        givers |= {given_by.get(argument, "") for called, argument in calls if called == gate}
        if isinstance(statement, ast.Assign | ast.Delete):
            for target in statement.targets:
                given_by.pop(ast.unparse(target), None)
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
                given_by |= {ast.unparse(statement.targets[0]): called for called, _ in calls}
    return givers.pop() if len(givers) == 1 else ""


def _readers(body: list[ast.stmt], name: str, gate: str) -> tuple[list[str], str]:
    """The modules that take what the gate took, and its name at the end of the body: "" before and after that time."""
    found: list[str] = []
    for statement in body:
        for called, argument in _calls(statement, gate):
            if called == gate:
                name = argument
            elif name and argument == name:
                found.append(called)
        if isinstance(statement, ast.If):
            ways = [_readers(branch, name, gate) for branch in (statement.body, statement.orelse)]
            found += [called for calls, _ in ways for called in calls]
            name = next((after for _, after in ways if after), "")
        elif _gives(statement, name):
            name = ""
    return found, name


def _gives(statement: ast.stmt, name: str) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else ()
    return any(ast.unparse(each) == name for target in targets for each in getattr(target, "elts", [target]))


def _calls(statement: ast.stmt, gate: str) -> list[tuple[str, str]]:
    """`self.mlp(x)` in a statement: ("mlp", "x"), where x is all it takes, or what the gate reads of it.

    Of a statement with branches, those in its condition.
    """
    nodes = ast.walk(statement.test if isinstance(statement, ast.If) else statement)
    calls = [each for each in nodes if isinstance(each, ast.Call) and each.args]
    calls = [each for each in calls if len(each.args) == 1 or ast.unparse(each.func) == f"self.{gate}"]
    owned = [(ast.unparse(each.func), ast.unparse(each.args[0])) for each in calls]
    return [(name.removeprefix("self."), argument) for name, argument in owned if name.startswith("self.")]


def _in_order(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a body, those inside branches after their head; what a branch gave is deleted at its end."""
    found: list[ast.stmt] = []
    for statement in body:
        found.append(statement)
        if isinstance(statement, ast.If):
            for branch in (statement.body, statement.orelse):
                inside = _in_order(branch)
                given = [target for each in inside if isinstance(each, ast.Assign) for target in each.targets]
                found += [*inside, ast.Delete(given)]
    return found
