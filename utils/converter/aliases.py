"""Other names of a package's classes: `__aliases__ = {"OtherName": "OwnName"}` in a modular file."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from diagnostics.names import nearest

from converter.checks import Finding, Level, place_of
from converter.index import ModuleIndex
from converter.plan import Draft
from converter.scope import Scope


def check_aliases(scope: Scope, drafts: Mapping[str, Draft], in_tree: bool) -> Iterator[Finding]:
    """Each alias is a new name, written out, of something that a file defines. Inside a tree none has a place."""
    statement = scope.delta.definitions.get("__aliases__")
    if statement is None:
        return
    if in_tree:
        message, fix = "the `__init__.py` of a tree is nobody's to write: `__aliases__` is left out", "leave it out"
        yield place_of(scope.delta, statement.node, "bad-alias", message, fix, Level.WARNING)
        return
    found = _pairs(scope.delta)
    if found is None:
        message = "`__aliases__` is not a table of names"
        fix = '`__aliases__ = {"OtherName": "OwnName"}`, written out'
        yield place_of(scope.delta, statement.node, "bad-alias", message, fix, Level.ERROR)
        return
    defined = {name for draft in drafts.values() for name in draft.body}
    for node, (alias, name) in found.items():
        if name not in defined:
            guess = nearest(name, defined)
            fix = f"did you mean `{guess}`?" if guess else "name what a file of this model defines"
            yield place_of(scope.delta, node, "bad-alias", f"no output file defines `{name}`", fix, Level.ERROR)
        elif alias in defined:
            message, fix = f"`{alias}` is defined already", "choose another name"
            yield place_of(scope.delta, node, "bad-alias", message, fix, Level.ERROR)


def render_aliases(scope: Scope, drafts: Mapping[str, Draft], model: str) -> str:
    """The statements that give a package's classes their other names: for its `__init__.py`."""
    homes = {name: kind for kind, draft in drafts.items() for name in draft.body}
    pairs = (_pairs(scope.delta) or {}).values()
    lines = sorted(f"from .{homes[name]}_{model} import {name} as {alias}\n" for alias, name in pairs)
    return "".join(lines)


def _pairs(index: ModuleIndex) -> dict[ast.expr, tuple[str, str]] | None:
    """Alias and name, by the place of the alias; none without a table, None where it is not one of plain names."""
    statement = index.definitions.get("__aliases__")
    if statement is None:
        return {}
    table = getattr(statement.node, "value", None)
    if not isinstance(table, ast.Dict):
        return None
    pairs = {key: (_name(key), _name(value)) for key, value in zip(table.keys, table.values, strict=True) if key}
    whole = len(pairs) == len(table.keys) and all(alias and name for alias, name in pairs.values())
    return pairs if whole else None


def _name(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) and value.isidentifier() else ""
