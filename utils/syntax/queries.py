"""Small questions about trees, asked everywhere: how something is called, what is assigned, whether two things are the same.

Nothing here goes by how a tree would be written: layout, quotes and brackets make no difference.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard


Decorated = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def dotted(node: ast.AST | None) -> str:
    """`nn.Module` -> "nn.Module"; "" for what is not a name, or attributes of one."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def last_name(node: ast.AST | None) -> str:
    """`nn.Module` and `build().Module` -> "Module"; "" for what ends in no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def root(node: ast.AST) -> str:
    """The name that an expression begins with: `torch.empty(3).uniform_` -> "torch"; "" where it begins with none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def alternatives(node: ast.expr) -> list[ast.expr]:
    """The types of an annotation: `float | int` -> `float`, `int`."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*alternatives(node.left), *alternatives(node.right)]
    return [node]


def callee(node: ast.AST) -> str:
    """The dotted name of what a call calls; "" of what is no call, or calls something without a name."""
    return dotted(node.func) if isinstance(node, ast.Call) else ""


def calls(*trees: ast.AST | None) -> Iterator[ast.Call]:
    """The calls in some trees, outermost first."""
    return (node for tree in trees if tree is not None for node in ast.walk(tree) if isinstance(node, ast.Call))


def calls_above(tree: ast.AST) -> bool:
    """Whether a tree asks for `super()`."""
    return any(callee(call) == "super" for call in calls(tree))


def names_in(*trees: ast.AST) -> set[str]:
    """Every name that some trees read or write."""
    return {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}


def decorators(node: ast.AST) -> list[str]:
    """The names of decorators, called or not: `@nn.once` and `@once(x)` are both "once"."""
    return [last_name(decorator_itself(each)) for each in getattr(node, "decorator_list", ())]


def decorator_itself(node: ast.expr) -> ast.expr:
    """A decorator without the arguments that it is given."""
    return node.func if isinstance(node, ast.Call) else node


def targets(node: ast.AST) -> list[ast.expr]:
    """What an assignment gives a value, or an annotation; `a += 1` is none."""
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) else []


def assigned_names(node: ast.AST) -> list[str]:
    """The names that an assignment gives a value, or an annotation; those within tuples are not among them."""
    return [each.id for each in targets(node) if isinstance(each, ast.Name)]


def assigns(node: ast.AST, name: str) -> bool:
    """Whether a statement is `name = ...`, alone or with others, or `name: ...`."""
    return name in assigned_names(node)


def assignments(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """(name, value) of the assignments of a body, in their order; an annotation without a value is none."""
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for name in assigned_names(node):
                yield name, node.value


def value_of(body: Iterable[ast.stmt], name: str) -> ast.expr | None:
    """The value that the first assignment of a body gives a name; None where none does."""
    return next((value for given, value in assignments(body) if given == name), None)


def exported(tree: ast.Module) -> list[str]:
    """The names in the last `__all__`."""
    return list(strings(value_of(reversed(tree.body), "__all__")))


def annotated(node: ast.ClassDef) -> dict[str, ast.AnnAssign]:
    """The annotated names of a class's body, with their statements."""
    statements = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    return {each.target.id: each for each in statements if isinstance(each.target, ast.Name)}


def classes(tree: ast.Module) -> list[ast.ClassDef]:
    """The classes of a module, in their order."""
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    """The methods that a class itself defines, in their order."""
    return [each for each in node.body if isinstance(each, ast.FunctionDef)]


def method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    """The method that a class itself defines, the first of that name."""
    return next((each for each in methods(node) if each.name == name), None)


def defined_names(node: ast.stmt) -> list[str]:
    """The names that a statement of a module defines: a class, a function, or what it assigns."""
    return [node.name] if isinstance(node, Decorated) else assigned_names(node)


def bound_names(node: ast.stmt) -> list[str]:
    """The names that a statement of a module defines or imports."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    return defined_names(node)


def documented(node: Decorated | ast.Module) -> bool:
    """Whether a definition begins with a docstring."""
    return ast.get_docstring(node, clean=False) is not None


def behind_docstring(node: Decorated | ast.Module) -> list[ast.stmt]:
    """The statements of a definition but for its docstring."""
    return node.body[1:] if documented(node) else node.body


def string(node: ast.AST | None) -> str | None:
    """The text that a constant is; None for what is no text."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def strings(node: ast.expr | None) -> tuple[str, ...]:
    """The string elements of a list, or the string keys of a table."""
    elements: Sequence[ast.expr | None] = ()
    if isinstance(node, ast.Dict):
        elements = node.keys
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        elements = node.elts
    return tuple(text for each in elements if (text := string(each)) is not None)


def is_number(node: ast.AST, number: int) -> bool:
    """Whether an expression is a number, spelt out: `-1` as well."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return is_number(node.operand, -number) and number < 0
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value == number


def same(one: ast.AST | None, other: ast.AST | None) -> bool:
    """Whether two expressions are the same, however they are laid out, and whether they are read or written."""
    return form(one) == form(other)


def form(node: object) -> object:
    """What trees that are the same have in common, to compare and to look things up by; places and contexts are left out."""
    if isinstance(node, ast.AST):
        return (type(node).__name__, *(form(getattr(node, name, None)) for name in node._fields if name != "ctx"))
    if isinstance(node, list):
        return tuple(map(form, node))
    return type(node).__name__, node


def assigned_calls(function: ast.FunctionDef | None) -> Iterator[tuple[str, ast.Call, ast.Assign]]:
    """`self.name = ... call(...) ...` in a method: each name with the calls that its value may come from."""
    for node in ast.walk(function) if function else ():
        if isinstance(node, ast.Assign) and is_self(target := node.targets[0]):
            yield from ((target.attr, call, node) for call in ast.walk(node.value) if isinstance(call, ast.Call))


def is_self(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Whether an expression is `self.name`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def call_of_super(node: ast.stmt) -> ast.Call | None:
    """The call of a whole statement `super().m(...)` or `return super().m(...)`."""
    match node:
        case ast.Expr(value=ast.Call() as call) | ast.Return(value=ast.Call() as call):
            match call.func:
                case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
                    return call
    return None


def called_super(node: ast.stmt) -> str | None:
    """The method `m` of a whole statement `super().m(...)` or `return super().m(...)`."""
    call = call_of_super(node)
    return last_name(call.func) if call else None


def is_super_call(node: ast.stmt, method: str) -> bool:
    """Whether a statement is `super().method(...)`, returned or not."""
    return called_super(node) == method
