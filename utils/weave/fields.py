"""The fields of configurations that a short delta changes: a field is one only with its type and its default."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from diagnostics.values import Diagnostic
from syntax.queries import annotated, assigned_names

from weave.base import Base
from weave.declaration import Declaration
from weave.declared import Declared


def check_fields(declaration: Declaration, base: Base, declared: Declared) -> Iterator[Diagnostic]:
    """What is no field as it is written (`bad-field`): configurations are dataclasses, which take fields by their types."""
    owner = base.configuration.classes.get(declared.parent or "")
    if owner is None:
        return
    known = dict(_fields(base, owner))
    for each in declared.node.body:
        if isinstance(each, ast.AnnAssign) and each.value is None:
            message = f"`{ast.unparse(each.target)}` has no default"
            yield from declaration.refuse(each, "bad-field", message, f"write `{ast.unparse(each)} = ...`").diagnostics
        name = next(iter(assigned_names(each)), "")
        if isinstance(each, ast.Assign) and name in known:
            message = f"`{name}` has no type, so it is not a field, and nobody could set it"
            fix = f"write `{name}: {known[name]} = {ast.unparse(each.value)}`"
            yield from declaration.refuse(each, "bad-field", message, fix).diagnostics


def _fields(base: Base, owner: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """The fields of a configuration of the base and of the gate, each with its type."""
    gate = base.kind.definitions.get(f"{base.kind.gate.prefix}Config")
    for node in (*reversed(base.configuration.lineage(owner)), gate[1] if gate else owner):
        if isinstance(node, ast.ClassDef):
            yield from ((name, ast.unparse(each.annotation)) for name, each in annotated(node).items())
