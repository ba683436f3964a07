"""Which definition goes into which output file, and in what order."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from syntax.import_time import sort_for_import
from syntax.scan import is_definition, local_functions, mentions
from syntax.trees import tree_of

from converter.index import StatementKind
from converter.kinds import COPIES
from converter.merge import deprecations_of
from converter.parents import Parent
from converter.scope import Scope, closure, in_order


_FIRST = ("logger", "_CHECKPOINT_FOR_DOC", "_CONFIG_FOR_DOC")


@dataclass(slots=True)
class Draft:
    """One output file in the making."""

    kind: str
    body: dict[str, str] = field(default_factory=dict)  # definition -> its text, in the order of the file
    origins: dict[str, Parent | None] = field(default_factory=dict)  # definition -> where it is from
    conflicts: dict[str, tuple[str, Parent]] = field(default_factory=dict)  # definition -> a class that meant another
    lost: dict[str, str] = field(default_factory=dict)  # constant that the reference loses -> a class that needs it


def plan_files(scope: Scope, as_reference: bool = False) -> Mapping[str, Draft]:
    """All output files of a delta, by kind; `as_reference` leaves out what the reference loses."""
    drafts: dict[str, Draft] = {}
    for name in dict.fromkeys(name for each in scope.delta.of_kind(StatementKind.CLASS) for name in each.names):
        kind = scope.kind(name)
        draft = drafts.setdefault(kind, Draft(kind))
        text = scope.class_text(name)
        found = scope.parent_of(name)
        parent = found[0] if found else None
        needed = mentions(text) - {name}
        _note_conflicts(scope, draft, parent, name, needed)
        if parent:
            lost = needed & _lost(scope, parent, text)
            draft.lost |= dict.fromkeys(lost, name)
            needed = needed - lost if as_reference else needed
        place(scope, draft, parent, needed)
        draft.body[name] = text
    for draft in drafts.values():
        first = {name: draft.body[name] for name in _FIRST if name in draft.body}
        draft.body = sort_for_import(first | draft.body, draft.lost if as_reference else ())
    _split_deprecations(scope, drafts)
    for kind, copied in COPIES.items():
        if kind in drafts and copied in drafts:
            copy_definitions(drafts[copied], drafts[kind])
    return drafts


def place(scope: Scope, draft: Draft, parent: Parent | None, needed: Iterable[str]) -> None:
    """Put into `draft` whatever the `needed` names mean: class by class, each below its own needs; then the rest.

    Args:
        scope: the delta and its parents.
        draft: the output file, which is changed.
        parent: whose file the names are seen from; None for the delta alone.
        needed: the names.
    """
    names = closure(scope, parent, needed, draft.kind)
    own = {name for name in names if parent and name in parent.names and scope.is_class(name, parent)}
    classes = in_order(scope, parent, own)
    for name in classes:
        direct = closure(scope, parent, scope.uses(name, parent), draft.kind, through_classes=False)
        _put(scope, draft, parent, direct - {name})
        _put(scope, draft, parent, [name])
    _put(scope, draft, parent, names.difference(classes))


def _put(scope: Scope, draft: Draft, parent: Parent | None, names: Iterable[str]) -> None:
    for name in in_order(scope, parent, [name for name in names if name not in draft.body]):
        source = scope.origin(name, parent)
        together = {each for each in scope.bound_with(name, parent) if draft.origins.get(each, parent) is source}
        # `a, b = 1, 2` defines two names but is one statement
        draft.body[name] = "" if draft.body.keys() & together else scope.text(name, parent)
        draft.origins[name] = source


def _lost(scope: Scope, parent: Parent, text: str) -> set[str]:
    """The constants imported by name that the reference does not carry: a class has them in decorators' arguments alone.

    Those of the parent's own file come along with it.
    """
    constants = scope.imported_constants - parent.names.keys()
    if not any(name in text for name in constants):
        return set()
    tree = tree_of(text)
    decorators = [one for node in ast.walk(tree) for one in getattr(node, "decorator_list", ())]
    calls = [one for one in decorators if isinstance(one, ast.Call)]
    inside = Counter(_names(part for one in calls for part in (*one.args, *one.keywords)))
    everywhere = Counter(_names([tree]))
    return {name for name in constants if name in inside and inside[name] == everywhere[name]}


def _names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    return (each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name))


def _note_conflicts(scope: Scope, draft: Draft, parent: Parent | None, class_name: str, needed: Iterable[str]) -> None:
    """Where two parents give one name to different definitions, the file has room for one: the first."""
    for name in sorted(closure(scope, parent, needed, draft.kind)):
        first = draft.origins.get(name, scope.origin(name, parent))
        for second in (scope.origin(name, parent), *scope.brought.get(name, ())):
            if first and second and first is not second and first.text(name).strip() != second.text(name).strip():
                draft.conflicts.setdefault(name, (class_name, second))


def _split_deprecations(scope: Scope, drafts: Mapping[str, Draft]) -> None:
    """`__getattr__ = deprecate_attr(...)` goes to the files of the classes it names, below everything else."""
    statement = scope.delta.definitions.get("__getattr__")
    if statement is None or statement.kind is not StatementKind.ASSIGNMENT:
        return
    for kind, draft in drafts.items():
        text = deprecations_of(statement, partial(_is_of_kind, scope, kind))
        if text:
            draft.body["__getattr__"] = text


def _is_of_kind(scope: Scope, kind: str, name: str) -> bool:
    return scope.kind(name) == kind


def copy_definitions(source: Draft, draft: Draft) -> None:
    """Copy what `draft` names of another file of the model, below its assignments, instead of importing it."""
    body = "".join(draft.body.values())
    excluded = draft.body.keys() | local_functions(body)
    wanted: set[str] = set()
    pending = [body]
    while pending:
        found = (mentions(pending.pop()) & source.body.keys()) - excluded - wanted
        wanted |= found
        pending += [source.body[name] for name in sorted(found)]
    copies = {name: text for name, text in source.body.items() if name in wanted}
    items = list(draft.body.items())
    first = next((i for i, (_, text) in enumerate(items) if is_definition(text)), len(items))
    draft.body = dict([*items[:first], *copies.items(), *items[first:]])
