"""What a class of the delta inherits as Python has it, and its output no longer does."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from syntax.queries import callee, calls, defined_names, dotted, names_in

from converter.checks import Finding, Level, place_of
from converter.parents import base_names
from converter.plan import Draft
from converter.scope import Scope


_QUESTIONS = ("isinstance", "issubclass")


def check_mixins(scope: Scope, drafts: Mapping[str, Draft]) -> Iterator[Finding]:
    """A base in front of the parent overrides it in Python; merged, what was the parent's is the class's own, and wins."""
    for name, pair in scope.pairs.items():
        owner = scope.delta.definitions[name].owner
        mine = _given(owner.body)
        theirs = _given([each.node for each in pair.parent.members])
        for base in owner.bases:
            said = dotted(base)
            if said == pair.parent_name:
                break
            clash = sorted((_inherited(scope, said) & theirs) - mine)
            if clash:
                message = (
                    f"`{said}.{clash[0]}` stands in front of `{pair.parent_name}.{clash[0]}`, but that is merged into "
                    f"`{name}` itself, and wins"
                )
                fix = f"say in `{name}` what `{clash[0]}` is, or put `{said}` behind `{pair.parent_name}`"
                yield place_of(scope.delta, base, "hidden-mixin", message, fix, Level.SILENT)


def _inherited(scope: Scope, class_name: str) -> set[str]:
    """What a class of the delta has by itself and from others of the delta."""
    found: set[str] = set()
    pending, seen = [class_name], {""}
    while pending:
        name = pending.pop()
        if name in scope.classes - seen:
            seen.add(name)
            node = scope.delta.definitions[name].owner
            found |= _given(node.body)
            pending += base_names(node)
    return found


def _given(body: Sequence[ast.stmt]) -> set[str]:
    """The names that the statements of a class give a value; an annotation alone gives none."""
    valued = (each for each in body if not isinstance(each, ast.AnnAssign) or each.value is not None)
    return {name for each in valued for name in defined_names(each)}


def check_instances(scope: Scope, drafts: Mapping[str, Draft]) -> Iterator[Finding]:
    """A class of the outputs is no instance of what it was merged with."""
    merged: dict[str, str] = {}
    for name, pair in scope.pairs.items():
        merged.setdefault(pair.parent_name, name)
    for statement in scope.delta.statements if _asks(scope) else ():
        for call in calls(statement.node):
            asked = call.args[1] if callee(call) in _QUESTIONS and len(call.args) == 2 else None
            for lost in sorted(names_in(asked) & merged.keys()) if asked else ():
                message = f"`{merged[lost]}` is not an instance of `{lost}`: it is merged with it, and does not inherit from it"
                fix = f"ask for `{merged[lost]}`, or for a base that both have"
                yield place_of(scope.delta, call, "lost-instance", message, fix, Level.SILENT)


def _asks(scope: Scope) -> bool:
    return any(question in scope.delta.source.text for question in _QUESTIONS)
