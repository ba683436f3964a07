"""Which layers have gates, and what the gates read."""

from __future__ import annotations

import ast
import re

from syntax.modules import Module
from syntax.queries import callee, calls, form, is_self, last_name, method, names_in, same

from facts.text import assigned
from facts.values import LayerFacts


_LAYER = re.compile(r"(?:Layer|Block)$")


def layer_classes(modeling: Module, gate: str) -> tuple[LayerFacts, ...]:
    """The classes of decoder layers: those with a gate, and those beside them in the same list of layers.

    `gate` is the attribute that holds it, in a layer itself or in the attention inside. Raises LookupError where no
    class has it.
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
    return names_in(inside) if inside else set()


def gate_class(modeling: Module, gate: str) -> str:
    """The class of the gates, as the layers construct it, or have it constructed by a function that they give it to.

    `gate` is the attribute that holds it. Raises LookupError where no layer makes it of a class of this file.
    """
    for node in modeling.classes.values():
        value, _ = _attributes(node).get(gate, (None, False))
        for each in ast.walk(value) if value else ():
            if last_name(each) in modeling.classes:
                return last_name(each)
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
    readers = set(_readers(body, None, gate)[0])
    return _giver(body, gate), readers.pop() if len(readers) == 1 else ""


def _giver(body: list[ast.stmt], gate: str) -> str:
    """The module whose output the gate takes; "" where that depends on the way taken."""
    given_by: dict[object, str] = {}  # by the form of what was given
    givers: set[str] = set()
    for statement in _in_order(body):
        called = _calls(statement, gate)
        givers |= {given_by.get(form(argument), "") for name, argument in called if name == gate}
        if isinstance(statement, ast.Assign | ast.Delete):
            for target in statement.targets:
                given_by.pop(form(target), None)
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
                given_by |= {form(statement.targets[0]): name for name, _ in called}
    return givers.pop() if len(givers) == 1 else ""


def _readers(body: list[ast.stmt], taken: ast.expr | None, gate: str) -> tuple[list[str], ast.expr | None]:
    """The modules that take what the gate took, and what that is at the end of the body: None before and after that time."""
    found: list[str] = []
    for statement in body:
        for called, argument in _calls(statement, gate):
            if called == gate:
                taken = argument
            elif taken is not None and same(argument, taken):
                found.append(called)
        if isinstance(statement, ast.If):
            ways = [_readers(branch, taken, gate) for branch in (statement.body, statement.orelse)]
            found += [called for readers, _ in ways for called in readers]
            taken = next((after for _, after in ways if after is not None), None)
        elif _gives(statement, taken):
            taken = None
    return found, taken


def _gives(statement: ast.stmt, wanted: ast.expr | None) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else ()
    return any(same(each, wanted) for target in targets for each in getattr(target, "elts", [target]))


def _calls(statement: ast.stmt, gate: str) -> list[tuple[str, ast.expr]]:
    """`self.mlp(x)` in a statement: ("mlp", x), where x is all it takes, or what the gate reads of it.

    Of a statement with branches, those in its condition.
    """
    found = [each for each in calls(statement.test if isinstance(statement, ast.If) else statement) if each.args]
    found = [each for each in found if len(each.args) == 1 or callee(each) == f"self.{gate}"]
    return [(name, each.args[0]) for each in found if (name := _module(each.func))]


def _module(called: ast.expr) -> str:
    """What of a layer is called: `self.a.b` -> "a.b", `self.a[0]` -> "a[]"; "" for what is not of the layer itself."""
    if isinstance(called, ast.Attribute):
        return called.attr if is_self(called) else f"{owner}.{called.attr}" if (owner := _module(called.value)) else ""
    if isinstance(called, ast.Subscript):
        return f"{owner}[]" if (owner := _module(called.value)) else ""
    return f"{owner}()" if isinstance(called, ast.Call) and (owner := _module(called.func)) else ""


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
