"""What a name in the delta means: a definition of its own, of the parent at hand, or one imported from another."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from converter.index import ModuleIndex, StatementKind, take_apart
from converter.kinds import CONFIGURATION, MODELING, kind_of
from converter.merge import ClassPair, merge_class
from converter.names import Casing, Spelling
from converter.parents import Parent, base_names, followed_imports


# Assignments of the delta replace a parent's only under these names; see docs/modular_semantics.md.
_REPLACEABLE = ("_CHECKPOINT", "_EXPECTED", "_FOR_DOC", "_HIDDEN_STATES_START_POSITION")


@dataclass(frozen=True)
class Scope:
    """The delta, its parents, and how names resolve among them."""

    delta: ModuleIndex
    parents: Mapping[str, Parent]
    model: Spelling
    casing: Casing
    with_configurations: frozenset[str] = frozenset()  # classes whose file would be another one by their names

    @cached_property
    def imported(self) -> Mapping[str, str]:
        """Name imported by the delta -> the module of the parent it comes from."""
        return {each.name: each.module for each in followed_imports(self.delta) if each.module in self.parents}

    @cached_property
    def imported_functions(self) -> Mapping[str, Parent]:
        """Functions and assignments imported by name, and what those need, under their new names."""
        found: dict[str, Parent] = {}
        for needed, parent in self._brought:
            found.setdefault(needed, parent)
        return found

    @cached_property
    def imported_constants(self) -> frozenset[str]:
        """The assignments imported by name, under their new names."""
        found = ((self.parents[module], name) for name, module in self.imported.items())
        renamed = ((parent, parent.rename.word(name)) for parent, name in found)
        return frozenset(
            name
            for parent, name in renamed
            if name in parent.names and parent.definition(name).kind is StatementKind.ASSIGNMENT
        )

    @cached_property
    def homes(self) -> Mapping[str, Parent]:
        """The same names -> the last file that brings each, which is where the reference looks for its place."""
        return dict(self._brought)

    @cached_property
    def brought(self) -> Mapping[str, Sequence[Parent]]:
        """The same names -> every file that brings one of that name."""
        found: dict[str, list[Parent]] = {}
        for name, parent in self._brought:
            found.setdefault(name, []).append(parent)
        return found

    @cached_property
    def _brought(self) -> Sequence[tuple[str, Parent]]:
        found: dict[tuple[str, str], Parent] = {}
        for name, module in self.imported.items():
            parent = self.parents[module]
            asked = parent.rename.word(name)
            pending = [] if parent.is_class(asked) else [asked]
            while pending:
                needed = pending.pop()
                if (needed, module) in found or needed not in parent.names or needed in self.classes:
                    continue
                found[needed, module] = parent
                pending += sorted(parent.mentions(needed) & parent.names.keys())
        return [(name, parent) for (name, _), parent in found.items()]

    @cached_property
    def classes(self) -> frozenset[str]:
        """The classes that the delta defines."""
        return frozenset(name for each in self.delta.of_kind(StatementKind.CLASS) for name in each.names)

    @cached_property
    def defined(self) -> frozenset[str]:
        """The functions and assignments that the delta defines."""
        return frozenset(self.delta.definitions) - self.classes

    def parent_of(self, class_name: str) -> tuple[Parent, str] | None:
        """The parent that a class of the delta is merged with: its file, and its name as the delta has it."""
        for base in base_names(self.delta.definitions[class_name].owner):
            if base in self.imported:
                parent = self.parents[self.imported[base]]
                return (parent, base) if parent.is_class(parent.rename.word(base)) else None
        return None

    @cached_property
    def pairs(self) -> Mapping[str, ClassPair]:
        """The classes of the delta that are merged, each beside its parent."""
        found = {}
        for name in sorted(self.classes):
            inherited = self.parent_of(name)
            if inherited is not None:
                parent, base = inherited
                theirs = parent.class_parts(parent.rename.word(base))
                found[name] = ClassPair(theirs, take_apart(self.delta.definitions[name]), base, self.casing)
        return found

    def class_text(self, class_name: str) -> str:
        """A class of the delta as it stands alone."""
        pair = self.pairs.get(class_name)
        return merge_class(pair) if pair else self.delta.definitions[class_name].whole

    def knows(self, name: str, parent: Parent | None) -> bool:
        """Whether `name` means a definition that a file needs; classes of the delta are placed by themselves."""
        if name in self.classes:
            return False
        if name in self.defined or (parent and name in parent.names):
            return True
        # What the parent's file imports from a file beside it is imported by the output too, not copied.
        return name in self.imported_functions and not (parent and name in parent.from_siblings)

    def origin(self, name: str, parent: Parent | None) -> Parent | None:
        """The parent that a definition is taken from, None for the delta itself."""
        if name in self.defined and self.is_replaced(name, parent):
            return None
        imported = self.imported_functions.get(name)
        if imported and parent and name in parent.names and parent.definition(name).kind is not StatementKind.FUNCTION:
            return parent
        return imported or parent

    def is_replaced(self, name: str, parent: Parent | None) -> bool:
        """Whether the delta's definition of a name stands instead of the parent's."""
        statement = self.delta.definitions[name]
        if parent is None or name not in parent.names or statement.kind is StatementKind.FUNCTION:
            return True
        if any(mark in name for mark in _REPLACEABLE):
            return True
        value = getattr(statement.node, "value", None)
        return "_DOCSTRING" in name and not (isinstance(value, ast.Constant) and value.value is None)

    def is_class(self, name: str, parent: Parent | None) -> bool:
        """Whether a needed definition is a class of a parent's file."""
        source = self.origin(name, parent)
        return source is not None and source.is_class(name)

    def uses(self, name: str, parent: Parent | None) -> frozenset[str]:
        """The names that a definition mentions."""
        source = self.origin(name, parent)
        if source is not None:
            return source.mentions(name) - {name}
        found = self.delta.mentions[name]
        if parent and name in parent.names:  # a replaced function sees only its neighbours in both files
            found &= self.defined | parent.names.keys()
        return found - {name}

    def text(self, name: str, parent: Parent | None) -> str:
        """A definition as it goes into the output."""
        source = self.origin(name, parent)
        return self.delta.definitions[name].whole if source is None else source.text(name)

    def bound_with(self, name: str, parent: Parent | None) -> frozenset[str]:
        """The other names that the statement which defines a name defines too."""
        source = self.origin(name, parent)
        if source is None:
            return frozenset(self.delta.definitions[name].names) - {name}
        return frozenset(map(source.rename.word, source.definition(name).names)) - {name}

    def position(self, name: str, parent: Parent | None) -> tuple[int, int]:
        """Sorting key: what the parent's file has, in its order; then what other files have; then the delta's own."""
        source = self.origin(name, parent)
        if source is None:
            return 2, self.delta.definitions[name].order
        if parent:
            return (0, parent.definition(name).order) if name in parent.names else (1, 0)
        return 1, self.homes[name].definition(name).order

    def kind(self, class_name: str) -> str:
        """The kind of output file that a class belongs to."""
        if class_name in self.with_configurations:
            return CONFIGURATION
        return kind_of(class_name, self.model.camel, lambda: self._has_base(class_name, "VideosKwargs")).name

    def _has_base(self, class_name: str, wanted: str) -> bool:
        """Whether a class of the delta or of a parent derives from `wanted`, at any depth."""
        if class_name in self.classes:
            bases = base_names(self.delta.definitions[class_name].owner)
            parents = [self.parents[self.imported[base]].index for base in bases if base in self.imported]
            inherited = (derives(index, base, wanted) for index in parents for base in bases)
            own = (derives(self.delta, base, wanted) for base in bases if base != class_name)
            return wanted in bases or any(inherited) or any(own)
        owners = (parent for parent in self.parents.values() if parent.is_class(class_name))
        return any(derives(parent.index, parent.names[class_name], wanted) for parent in owners)


def beside_configurations(scope: Scope) -> frozenset[str]:
    """The classes of the delta, an Enum for one, that its configurations need, and that would be modeling by their names.

    Modeling imports configurations: what these need cannot be there.
    """
    found: set[str] = set()
    pending = [name for name in scope.classes if scope.kind(name) == CONFIGURATION]
    while pending:
        needed = scope.delta.mentions[pending.pop()] & (scope.classes | scope.defined)
        for name in needed - found:
            is_class = name in scope.classes
            if not is_class or (scope.kind(name) == MODELING.name and name not in scope.pairs):
                found.add(name)
                pending.append(name)
    return frozenset(found & scope.classes)


def derives(index: ModuleIndex, class_name: str, wanted: str) -> bool:
    """Whether a class of a module derives from `wanted` through classes of that module."""
    statement = index.definitions.get(class_name)
    if statement is None or statement.kind is not StatementKind.CLASS:
        return False
    bases = base_names(statement.owner)
    return wanted in bases or any(derives(index, base, wanted) for base in bases if base != class_name)


def closure(
    scope: Scope, parent: Parent | None, start: Iterable[str], kind: str, through_classes: bool = True
) -> set[str]:
    """Every definition that `start` needs, at any depth, and that belongs into the file of this kind.

    Args:
        scope: the delta and its parents.
        parent: whose file the names are seen from; None for the delta alone.
        start: the names.
        kind: of the file, "modeling".
        through_classes: whether what a class needs is needed, too; the class itself always is.
    """
    found: set[str] = set()
    pending = list(start)
    while pending:
        name = pending.pop()
        if name in found or not scope.knows(name, parent):
            continue
        is_class = scope.is_class(name, parent)
        if is_class and scope.kind(name) != kind:
            continue
        found.add(name)
        if through_classes or not is_class:
            pending += scope.uses(name, parent)
    return found


def in_order(scope: Scope, parent: Parent | None, names: Collection[str]) -> list[str]:
    """Names by position, as the reference has them.

    Names that the parent's file lacks come in reverse alphabetical order. Without a parent, names of one file stand
    together: the file of the alphabetically first of them leads.
    """
    ranks: dict[str, int] = {}
    if parent is None:
        files = dict.fromkeys(scope.homes[name] for name in sorted(names) if scope.origin(name, None))
        places = {id(file): rank for rank, file in enumerate(files)}
        ranks = {name: places[id(scope.homes[name])] for name in names if scope.origin(name, None)}

    def key(name: str) -> tuple[int, int, int]:
        group, place = scope.position(name, parent)
        return group, ranks.get(name, 0), place

    return sorted(sorted(names, reverse=True), key=key)
