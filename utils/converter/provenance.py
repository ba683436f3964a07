"""What of its parents went into a model, as digests of the parents' own text: before renaming, before merging."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping

from syntax.scan import drop_comments, mentions_with_annotations

from converter.imports import read_imports
from converter.index import ModuleIndex, Statement, StatementKind, take_apart
from converter.kinds import model_of_module
from converter.merge import ClassPair
from converter.merge.bodies import place_of_super
from converter.merge.classes import method_key, removes_method
from converter.parents import COPIED_FROM, Parent
from converter.plan import Draft
from converter.scope import Scope
from converter.values import Provenance


_HOME = "transformers."
_DIGITS = 40  # of a digest: 160 bits tell texts apart, and the lock has one for each definition of every model


def trace(scope: Scope, drafts: Mapping[str, Draft]) -> Provenance:
    """The definitions and imports of parents that the planned files hold, and those that the delta stands in for.

    Of other generated models, which are in the lock themselves, one digest each is enough.
    """
    taken = {*_placed(drafts), *_merged(scope)}
    every = {(parent.module, name): _whole_digest(parent.index.definitions[name]) for parent, name in taken}
    definitions = {f"{short(module)}.{name}": found for (module, name), found in every.items() if _is_home(module)}
    lent = dict(_lent_imports(scope, drafts))
    imports = {short(module): found for module, found in lent.items() if _is_home(module)}
    restated = {key: found for name in scope.pairs for key, found in _restated(scope, name)}
    restated |= dict(_stood_in_for(scope, drafts, every.keys()))
    others: dict[str, list[str]] = {}
    for (module, name), found in [*every.items(), *(((module, ""), found) for module, found in lent.items())]:
        if not _is_home(module):
            others.setdefault(module.split(".")[-2], []).append(f"{module}.{name} {found}")
    models = {model: _digest("\n".join(sorted(lines))) for model, lines in others.items()}
    return Provenance(*map(_kept, (definitions, imports, restated, models)))


def _kept(digests: Mapping[str, str]) -> dict[str, str]:
    return {name: found[:_DIGITS] for name, found in sorted(digests.items())}


def short(module: str) -> str:
    """A module as the lock names it: `models.llama.modeling_llama`."""
    return module.removeprefix(_HOME)


def whole(module: str) -> str:
    """The dotted name of a module that the lock names."""
    return f"{_HOME}{module}" if module.startswith("models.") else module


def digest_of(statement: Statement) -> str:
    """What is kept of the sha256 of a definition's or a member's text, comments above it included."""
    return _whole_digest(statement)[:_DIGITS]


def _whole_digest(statement: Statement) -> str:
    return _digest(drop_comments(statement.whole, COPIED_FROM).strip())


def find_definition(index: ModuleIndex, name: str) -> Statement | None:
    """A definition, or the member of one (`LlamaMLP.forward`); None where the module has none of this name."""
    top, _, member = name.partition(".")
    statement = index.definitions.get(top)
    if statement is None or not member:
        return statement
    return _members(statement).get(member) if statement.kind is StatementKind.CLASS else None


def _is_home(module: str) -> bool:
    return module.startswith(_HOME)


def _placed(drafts: Mapping[str, Draft]) -> Iterator[tuple[Parent, str]]:
    for draft in drafts.values():
        yield from ((origin, origin.names[name]) for name, origin in draft.origins.items() if origin is not None)


def _merged(scope: Scope) -> Iterator[tuple[Parent, str]]:
    return (_parent_class(scope, name) for name in scope.pairs)


def _parent_class(scope: Scope, class_name: str) -> tuple[Parent, str]:
    found = scope.parent_of(class_name)
    assert found is not None  # only classes with a parent are pairs
    parent, base = found
    return parent, parent.names[parent.rename.word(base)]


def _restated(scope: Scope, class_name: str) -> Iterator[tuple[str, str]]:
    """The parent's methods that the delta replaces without calling them: a change of theirs would be lost silently."""
    parent, name = _parent_class(scope, class_name)
    if not _is_home(parent.module):
        return
    replaced = _replaced(scope.pairs[class_name])
    for key, member in _members(parent.index.definitions[name]).items():
        if parent.rename.word(key) in replaced:
            yield f"{short(parent.module)}.{name}.{key}", digest_of(member)


def _stood_in_for(
    scope: Scope, drafts: Mapping[str, Draft], taken: Collection[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """The base's classes that are written under their new names, but made from something else than the base."""
    written = {name for draft in drafts.values() for name in draft.body}
    for module, parent in scope.parents.items():
        if not _is_home(module) or not scope.model.snake.endswith(f"_{model_of_module(module)}"):
            continue
        for renamed, name in parent.names.items():
            if renamed in written and parent.is_class(renamed) and (module, name) not in taken:
                yield f"{short(module)}.{name}", digest_of(parent.index.definitions[name])


def _replaced(pair: ClassPair) -> set[str]:
    methods = {method_key(each): each for each in pair.delta.members if each.kind is StatementKind.FUNCTION}
    return {
        key
        for key, each in methods.items()
        if not removes_method(each) and place_of_super(each.names[0], each.function.body) is None
    }


def _members(statement: Statement) -> dict[str, Statement]:
    """The methods of a class; of several with one key, as a function and its overloads, the last."""
    return {method_key(each): each for each in take_apart(statement).members if each.kind is StatementKind.FUNCTION}


def _lent_imports(scope: Scope, drafts: Mapping[str, Draft]) -> Iterator[tuple[str, str]]:
    """What the files import because a parent does; the first that provides a name provides it."""
    body = "".join(text for draft in drafts.values() for text in draft.body.values())
    lent = {item.binds for parent in scope.parents.values() for each in parent.imports for item in each.items}
    used = mentions_with_annotations(body, lent)
    taken = {item.key for each in read_imports(scope.delta) for item in each.items}
    for module, parent in scope.parents.items():
        items = {item for each in parent.imports for item in each.items if item.is_used(used, body)}
        new = {item for item in items if item.key not in taken}
        taken |= {item.key for item in new}
        if new:
            yield module, _digest("\n".join(sorted(map(repr, new))))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
