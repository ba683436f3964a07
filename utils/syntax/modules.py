"""A module of transformers as text with its tree: what defines what, and what is imported from where."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from diagnostics.errors import ConversionError

from syntax.source import Source


Function = ast.FunctionDef


@dataclass(frozen=True)
class Module:
    """One parsed module; nothing of it is ever executed."""

    source: Source
    tree: ast.Module

    @cached_property
    def lines(self) -> list[str]:
        """The lines of its text."""
        return self.source.text.split("\n")

    @cached_property
    def classes(self) -> Mapping[str, ast.ClassDef]:
        """Its classes by name, in their order."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def definitions(self) -> Mapping[str, ast.stmt]:
        """Its functions, classes and assigned names, each with the statement that makes it."""
        return {name: node for node in self.tree.body for name in _defined(node)}

    @cached_property
    def imports(self) -> Mapping[str, tuple[str, str | None]]:
        """Imported names, those behind guards included: (module, name in it), or (module, None) for a module."""
        return {name: found for node in ast.walk(self.tree) for name, found in self._imported(node)}

    def refuse(self, node: ast.AST | None, code: str, message: str, fix: str) -> ConversionError:
        """The exception to raise for a problem at a place of this module; without a node, at its first line."""
        line, column = (node.lineno, node.col_offset + 1) if node is not None else (1, 1)
        return self.source.refuse(line, column, code, message, fix)

    def text(self, node: ast.stmt) -> str:
        """The lines of a statement without its decorators, comments inside included."""
        return "\n".join(self.lines[node.lineno - 1 : node.end_lineno])

    def own_method(self, owner: ast.ClassDef, name: str) -> Function | None:
        """The method that a class itself defines."""
        return next((node for node in owner.body if isinstance(node, Function) and node.name == name), None)

    def method(self, owner: ast.ClassDef, name: str) -> Function | None:
        """The method that a class defines or inherits within this module."""
        found = (self.own_method(each, name) for each in self.lineage(owner))
        return next((method for method in found if method), None)

    def lineage(self, owner: ast.ClassDef) -> list[ast.ClassDef]:
        """A class and its ancestors within this module, nearest first."""
        found = [owner]
        for each in found:  # grows while it is walked
            bases = [self.classes.get(base.id) for base in each.bases if isinstance(base, ast.Name)]
            found += [base for base in bases if base and base not in found]
        return found

    def attribute(self, owner: ast.ClassDef, name: str) -> ast.expr | None:
        """The value that the body of a class gives an attribute."""
        for node in owner.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return node.value
        return None

    def _imported(self, node: ast.AST) -> Iterator[tuple[str, tuple[str, str | None]]]:
        if isinstance(node, ast.ImportFrom):
            package = self.source.module.split(".")[: -node.level] if node.level else []
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield from ((alias.asname or alias.name, (module, alias.name)) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name.split(".")[0], (alias.name, None)) for alias in node.names)


@lru_cache(maxsize=32)
def read_module(source: Source) -> Module:
    """Parse a module. Raises ConversionError (`unreadable-base`) where it is no Python of this version."""
    try:
        return Module(source, ast.parse(source.text))
    except (SyntaxError, ValueError) as error:  # a ValueError says that the text holds null bytes
        line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        fix = "use a transformers that this Python can read"
        raise source.refuse(line, column, "unreadable-base", getattr(error, "msg", str(error)), fix) from None


def assigned_calls(function: Function | None) -> Iterator[tuple[str, ast.Call, ast.AST]]:
    """`self.name = ... call(...) ...` in a method: each name with the calls that its value may come from."""
    for node in ast.walk(function) if function else ():
        if isinstance(node, ast.Assign) and is_self(target := node.targets[0]):
            yield from ((target.attr, call, node) for call in ast.walk(node.value) if isinstance(call, ast.Call))


def is_self(node: ast.AST) -> bool:
    """Whether an expression is `self.name`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def names_in(node: ast.AST) -> set[str]:
    """Every name that a tree reads or writes."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.If | ast.Try):
        return [name for child in node.body for name in _defined(child)]
    return []


def is_super_call(node: ast.stmt, method: str) -> bool:
    """Whether a statement is `super().method(...)`, returned or not."""
    match node:
        case (
            ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name)))
            | ast.Return(value=ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name)))
        ):
            return name == method
    return False
