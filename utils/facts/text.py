"""What generated files have that no other module has: models that are exported, and one abstract model above them."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from syntax.modules import Module
from syntax.queries import annotated, dotted, is_self, string, targets


ABSTRACT = "PreTrainedModel"  # how the name of that class ends


def abstract(module: Module) -> str:
    """The class that all models of a file inherit from. Raises StopIteration where the file exports none."""
    return next(name for name in module.exported if name.endswith(ABSTRACT))


def lineage(module: Module, name: str) -> list[ast.ClassDef]:
    """A class and those of its ancestors that the file defines, nearest first; none of what is no class of it."""
    return module.lineage(module.classes[name]) if name in module.classes else []


def attribute(module: Module, name: str, wanted: str) -> ast.expr | None:
    """What a class, or the nearest ancestor that says so, assigns to an attribute in its body."""
    return module.inherited(module.classes[name], wanted) if name in module.classes else None


def annotation(module: Module, name: str, wanted: str) -> str:
    """The class that a class, or the nearest ancestor that says so, annotates an attribute with; "" where none does."""
    found = (annotated(each).get(wanted) for each in lineage(module, name))
    said = next((each.annotation for each in found if each is not None), None)
    return string(said) or dotted(said)


def method(module: Module, name: str, function: str) -> ast.FunctionDef | None:
    """The method of a class, or of the nearest ancestor in this file that has it."""
    return module.method(module.classes[name], function) if name in module.classes else None


def arguments(module: Module, name: str, function: str) -> tuple[str, ...]:
    """What that method takes beside `self` and `**kwargs`."""
    found = method(module, name, function)
    return tuple(each.arg for each in parameters(found)) if found else ()


def reached(module: Module, name: str) -> list[ast.stmt]:
    """A definition and all that it refers to, directly or not, nearest first.

    What only an abstract model refers to is left out: it initialises the weights of all models of a file.
    """
    waiting, found = [name], dict[str, ast.stmt]()
    while waiting:
        current = waiting.pop(0)
        node = module.definitions.get(current)
        if node is None or current in found or current.endswith(ABSTRACT):
            continue
        found[current] = node
        waiting += [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
    return list(found.values())


def parameters(function: ast.FunctionDef) -> tuple[ast.arg, ...]:
    """What a method takes beside `self` and `**kwargs`."""
    own = function.args
    return (*own.posonlyargs, *own.args, *own.kwonlyargs)[1:]


def says_true(value: ast.expr | None) -> bool:
    """Whether an assigned value is `True` itself."""
    return isinstance(value, ast.Constant) and value.value is True


def assigned(function: ast.FunctionDef) -> dict[str, tuple[ast.expr, bool]]:
    """`self.x = value` in a function: x -> (the first value, whether there may be none)."""
    always = _always_assigned(function.body)
    found: dict[str, tuple[ast.expr, bool]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for name in _own_names(node):
                found.setdefault(name, (node.value, name not in always))
    return found


def _always_assigned(body: Sequence[ast.stmt]) -> set[str]:
    """The attributes that a body gives a value which is not None, whichever way it takes."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.If):
            names |= _always_assigned(statement.body) & _always_assigned(statement.orelse)
        elif isinstance(statement, ast.Assign) and not _may_be_none(statement.value):
            names |= _own_names(statement)
    return names


def _may_be_none(value: ast.expr) -> bool:
    if isinstance(value, ast.IfExp):
        return _may_be_none(value.body) or _may_be_none(value.orelse)
    return isinstance(value, ast.Constant) and value.value is None


def _own_names(statement: ast.Assign) -> set[str]:
    """`self.x = self.y = value` -> {"x", "y"}."""
    return {each.attr for each in targets(statement) if is_self(each)}
