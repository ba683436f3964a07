"""A module of transformers as text with its tree: what defines what, and what is imported from where."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

from diagnostics.errors import ConversionError

from syntax import queries
from syntax.source import Source
from syntax.trees import tree_of


Function = ast.FunctionDef


class Placed(Protocol):
    """What has a place in a text: statements, expressions, arguments, keywords."""

    lineno: int
    col_offset: int


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
        return {node.name: node for node in queries.classes(self.tree)}

    @cached_property
    def definitions(self) -> Mapping[str, ast.stmt]:
        """Its functions, classes and assigned names, each with the statement that makes it."""
        return {name: node for node in self.tree.body for name in _defined(node)}

    @cached_property
    def imports(self) -> Mapping[str, tuple[str, str | None]]:
        """Imported names, those behind guards included: (module, name in it), or (module, None) for a module."""
        return {name: found for node in ast.walk(self.tree) for name, found in self._imported(node)}

    @cached_property
    def exported(self) -> tuple[str, ...]:
        """The names in its `__all__`."""
        return tuple(queries.exported(self.tree))

    def refuse(self, node: Placed | None, code: str, message: str, fix: str) -> ConversionError:
        """The exception to raise for a problem at a place of this module; without a node, at its first line.

        Args:
            node: the place; None for the module as a whole.
            code: of the problem, as docs/errors.md lists them.
            message: what is wrong.
            fix: what to do about it.
        """
        line, column = (node.lineno, node.col_offset + 1) if node is not None else (1, 1)
        return self.source.refuse(line, column, code, message, fix)

    def text(self, node: ast.stmt) -> str:
        """The lines of a statement without its decorators, comments inside included."""
        return "\n".join(self.lines[node.lineno - 1 : node.end_lineno])

    def own_method(self, owner: ast.ClassDef, name: str) -> Function | None:
        """The method that a class itself defines."""
        return queries.method(owner, name)

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
        return queries.value_of(owner.body, name)

    def inherited(self, owner: ast.ClassDef, name: str) -> ast.expr | None:
        """The value that a class, or its nearest ancestor within this module that has one, gives an attribute."""
        found = (self.attribute(each, name) for each in self.lineage(owner))
        return next((value for value in found if value is not None), None)

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
        return Module(source, tree_of(source.text))
    except (SyntaxError, ValueError) as error:  # a ValueError says that the text holds null bytes
        line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        fix = "use a transformers that this Python can read"
        raise source.refuse(line, column, "unreadable-base", getattr(error, "msg", str(error)), fix) from None


def module_of(text: str) -> Module:
    """The module that a text is, wherever it came from. Raises SyntaxError or ValueError where it is no Python."""
    return Module(Source("", "", text), tree_of(text))


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.If | ast.Try):
        return [name for child in node.body for name in _defined(child)]
    return queries.defined_names(node)
