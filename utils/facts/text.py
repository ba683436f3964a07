"""Small questions about the syntax tree of a generated file."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property


ABSTRACT = "PreTrainedModel"  # how the name of that class ends


@dataclass(frozen=True)
class Module:
    """A file's definitions and exported names."""

    definitions: Mapping[str, ast.stmt]  # classes, functions and what is assigned, outside of any of them
    exported: tuple[str, ...]

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        return {name: node for name, node in self.definitions.items() if isinstance(node, ast.ClassDef)}

    @property
    def abstract(self) -> str:
        """The class that all models of the file inherit from."""
        return next(name for name in self.exported if name.endswith(ABSTRACT))

    def lineage(self, name: str) -> Iterator[ast.ClassDef]:
        """A class and those of its bases that the file defines, nearest first."""
        waiting, seen = [name], set()
        while waiting:
            current = waiting.pop(0)
            if current in self.classes and current not in seen:
                seen.add(current)
                yield self.classes[current]
                waiting += [base_name(base) for base in self.classes[current].bases]

    def attribute(self, name: str, attribute: str) -> ast.expr | None:
        """What a class, or the nearest base that says so, assigns to `attribute` in its body."""
        found = (members(each).get(attribute) for each in self.lineage(name))
        return next((value for value in found if value is not None), None)

    def annotation(self, name: str, attribute: str) -> str:
        """How a class, or the nearest base that says so, annotates `attribute`; "" where none does."""
        for each in self.lineage(name):
            for statement in each.body:
                if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == attribute:
                    return ast.unparse(statement.annotation).strip("'\"")
        return ""

    def method(self, name: str, function: str) -> ast.FunctionDef | None:
        """The method of a class, or of the nearest base of this file that has it."""
        found = (method(each, function) for each in self.lineage(name))
        return next((each for each in found if each), None)

    def arguments(self, name: str, function: str) -> tuple[str, ...]:
        """What that method takes beside `self` and `**kwargs`."""
        found = self.method(name, function)
        return tuple(each.arg for each in parameters(found)) if found else ()

    def reached(self, name: str) -> list[ast.stmt]:
        """A definition and all that it refers to, directly or not, nearest first.

        What only an abstract model refers to is left out: it initialises the weights of all models of a file.
        """
        waiting, found = [name], dict[str, ast.stmt]()
        while waiting:
            current = waiting.pop(0)
            node = self.definitions.get(current)
            if node is None or current in found or current.endswith(ABSTRACT):
                continue
            found[current] = node
            waiting += [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
        return list(found.values())


def read_module(text: str) -> Module:
    """Raises SyntaxError where the text is no Python."""
    tree = ast.parse(text)
    exported = next(
        (
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ),
        None,
    )
    return Module({name: node for node in tree.body for name in _defined(node)}, strings(exported))


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    return [ast.unparse(each) for each in node.targets] if isinstance(node, ast.Assign) else []


def base_name(base: ast.expr) -> str:
    """`nn.Module` -> "Module"."""
    return ast.unparse(base).rpartition(".")[2]


def members(node: ast.ClassDef) -> dict[str, ast.expr]:
    """What a class body assigns, by name."""
    found: dict[str, ast.expr] = {}
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            found |= {ast.unparse(target): statement.value for target in statement.targets}
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            found[ast.unparse(statement.target)] = statement.value
    return found


def method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == name), None)


def parameters(function: ast.FunctionDef) -> tuple[ast.arg, ...]:
    """What a method takes beside `self` and `**kwargs`."""
    own = function.args
    return (*own.posonlyargs, *own.args, *own.kwonlyargs)[1:]


def decorators(node: ast.ClassDef | ast.FunctionDef) -> list[str]:
    """The names of decorators, called or not: `@nn.once` and `@once(x)` are both "once"."""
    return [base_name(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]


def says_true(value: ast.expr | None) -> bool:
    """Whether an assigned value is `True` itself."""
    return isinstance(value, ast.Constant) and value.value is True


def strings(node: ast.expr | None) -> tuple[str, ...]:
    """The string elements of a list, or the string keys of a table."""
    elements: Sequence[ast.expr | None] = ()
    if isinstance(node, ast.Dict):
        elements = node.keys
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        elements = node.elts
    return tuple(each.value for each in elements if isinstance(each, ast.Constant) and isinstance(each.value, str))


def assigned(function: ast.FunctionDef) -> dict[str, tuple[ast.expr, bool]]:
    """`self.x = value` in a function: x -> (the first value, whether there may be none)."""
    always = _always_assigned(function.body)
    found: dict[str, tuple[ast.expr, bool]] = {}
    for node in ast.walk(function):
        for name in _own_names(node):
            found.setdefault(name, (node.value, name not in always))  # type: ignore[attr-defined]
    return found


def _always_assigned(body: Sequence[ast.stmt]) -> set[str]:
    """The attributes that a body gives a value which is not None, whichever way it takes."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.If):
            names |= _always_assigned(statement.body) & _always_assigned(statement.orelse)
        elif not _may_be_none(getattr(statement, "value", None)):
            names |= _own_names(statement)
    return names


def _may_be_none(value: ast.AST | None) -> bool:
    if isinstance(value, ast.IfExp):
        return _may_be_none(value.body) or _may_be_none(value.orelse)
    return isinstance(value, ast.Constant) and value.value is None


def _own_names(node: ast.AST) -> set[str]:
    """`self.x = self.y = value` -> {"x", "y"}; of any other node, nothing."""
    targets = node.targets if isinstance(node, ast.Assign) else ()
    attributes = [each for each in targets if isinstance(each, ast.Attribute)]
    return {each.attr for each in attributes if ast.unparse(each.value) == "self"}
