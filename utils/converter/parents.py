"""The modules a delta inherits from: which they are, and what each is renamed to."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from syntax.scan import drop_comments

from converter.imports import (
    Guard,
    ImportItem,
    ImportLine,
    absolute_module,
    import_items,
    map_items,
    read_imports,
    rename_guard,
)
from converter.index import ClassParts, ModuleIndex, Statement, StatementKind, index_module, take_apart
from converter.kinds import model_of_module
from converter.names import Casing, Rename, Spelling, common_suffix
from converter.values import Loader


COPIED_FROM = "# Copied from"  # such comments speak of the parent


@dataclass(frozen=True, eq=False)
class Parent:
    """One followed module, seen through the renaming of its model into the delta's."""

    index: ModuleIndex
    module: str
    rename: Rename  # to the class prefix in use for this file
    model_rename: Rename  # to the model's own name: for the imports of sibling files
    doubt: str = ""  # why the prefix may not be what was meant

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Renamed definition -> the name it has in the file."""
        return {self.rename.word(name): name for name in self.index.definitions}

    def definition(self, name: str) -> Statement:
        """The statement that defines a renamed name, under its old name."""
        return self.index.definitions[self.names[name]]

    def is_class(self, name: str) -> bool:
        """Whether a renamed name is a class of this file."""
        return name in self.names and self.definition(name).kind is StatementKind.CLASS

    def mentions(self, name: str) -> frozenset[str]:
        """Every word of a definition that can be a name, under the new names."""
        return frozenset(map(self.rename.word, self.index.mentions[self.names[name]]))

    def text(self, name: str) -> str:
        """A definition's renamed text."""
        return self._renamed(self.definition(name).whole)

    def class_parts(self, name: str) -> ClassParts:
        """A class of this file, taken apart and renamed."""
        return take_apart(self.definition(name), self._renamed)

    def _renamed(self, text: str) -> str:
        return self.rename.code(drop_comments(text, COPIED_FROM))

    @cached_property
    def imports(self) -> Sequence[ImportLine | Guard]:
        """The file's imports under the new names."""
        return [
            rename_guard(map_items(each, self._renamed_item), self.rename.code) for each in read_imports(self.index)
        ]

    @cached_property
    def from_siblings(self) -> frozenset[str]:
        """The renamed names that the file imports from files of its own package."""
        lines = (each for each in self.imports if isinstance(each, ImportLine))
        return frozenset(item.binds for line in lines for item in line.items if item.level == 1)

    def _renamed_item(self, item: ImportItem) -> ImportItem:
        if not item.level:
            return item
        rename = self.model_rename if item.level == 1 else self.rename
        return ImportItem(rename.word(item.module), self.rename.word(item.name), item.alias, item.level)


@dataclass(frozen=True, slots=True)
class FollowedImport:
    """One name that the delta imports from a model's module."""

    name: str
    module: str
    item: ImportItem
    statement: Statement


def followed_imports(index: ModuleIndex) -> Iterator[FollowedImport]:
    """What a delta imports from modules that are read and renamed. Its own package's files are imported as they are.

    Under a guard that is what its classes inherit from; the rest stays an import under the guard.
    """
    for statement in index.of_kind(StatementKind.IMPORT):
        yield from _followed(index, statement)
    guarded = list(_guarded_imports(index))
    bases = (
        {base for each in index.of_kind(StatementKind.CLASS) for base in base_names(each.owner)} if guarded else set()
    )
    yield from (each for statement in guarded for each in _followed(index, statement) if each.name in bases)


def _followed(index: ModuleIndex, statement: Statement) -> Iterator[FollowedImport]:
    for item in import_items(statement.node):
        module = absolute_module(item, index.source.module)
        if item.level != 1 and item.name and model_of_module(module):
            yield FollowedImport(item.binds, module, item, statement)


def _guarded_imports(index: ModuleIndex) -> Iterator[Statement]:
    for guard in index.of_kind(StatementKind.GUARD):
        inside = (node for node in ast.walk(guard.node) if isinstance(node, ast.ImportFrom))
        yield from (replace(guard, node=node) for node in inside)


def base_names(node: ast.ClassDef) -> list[str]:
    """The bases of a class as written."""
    return [ast.unparse(base) for base in node.bases]


def find_parents(index: ModuleIndex, model: Spelling, load: Loader, casing: Casing) -> Mapping[str, Parent]:
    """The modules that the delta imports model code from and that exist, by dotted name, in the order of import.

    Args:
        index: the delta.
        model: the name of the model that it makes.
        load: reads a module by its dotted name; None where there is none.
        casing: how model names are written in CamelCase.
    """
    followed = {each.name: each.module for each in followed_imports(index)}
    parents = {}
    for module in dict.fromkeys(followed.values()):
        source = load(module)
        if source is None:
            continue
        old = casing.of_model(model_of_module(module) or "")
        parent = index_module(source)
        prefix, doubt = infer_prefix(children_of(index, module, followed), parent, old, model, casing)
        parents[module] = Parent(parent, module, Rename(old, prefix), Rename(old, model), doubt)
    return parents


def children_of(index: ModuleIndex, module: str, followed: Mapping[str, str]) -> list[tuple[str, str]]:
    """(class of the delta, its parent) for each that inherits from `module`."""
    return [
        (each.names[0], base)
        for each in index.of_kind(StatementKind.CLASS)
        for base in base_names(each.owner)
        if followed.get(base) == module
    ]


def infer_prefix(
    children: Sequence[tuple[str, str]], parent: ModuleIndex, old: Spelling, new: Spelling, casing: Casing
) -> tuple[Spelling, str]:
    """The class prefix that stands for the parent's in the output, and what is doubtful about it.

    Each child votes by its name, `NewTextMLP(LlamaMLP)` for `NewText`; the most frequent prefix wins, of several the
    model's own, else the last. A prefix that classes of the parent's file carry already gives way to the model's own.

    Args:
        children: the delta's classes that inherit from the parent's, each with the name of its base.
        parent: the parent's file.
        old, new: the names of the parent's model and of the delta's.
        casing: how model names are written in snake_case.
    """
    votes = [prefix_of(child, base, old, new) for child, base in children]
    counts = Counter(votes)
    best = [vote for vote in votes if counts[vote] == max(counts.values())]
    if not best or new.camel in best:
        return new, ""
    chosen = best[-1]
    others = sorted(set(best) - {chosen})
    doubt = f"as many classes begin with `{others[0]}` as with `{chosen}`, which is used" if others else ""
    taken = chosen.replace(new.camel, old.camel)
    clash = next(
        (name for each in parent.of_kind(StatementKind.CLASS) for name in each.names if name.startswith(taken)), None
    )
    if clash:
        return new, f"`{chosen}` would also stand for the parent's `{clash}`, so `{new.camel}` is used"
    return casing.of_prefix(chosen), doubt


def prefix_of(child: str, parent: str, old: Spelling, new: Spelling) -> str:
    """The prefix that one child suggests.

    Args:
        child: the class of the delta.
        parent: its base.
        old, new: the names of the parent's model and of the delta's.
    """
    if child in (parent, new.camel + parent):
        return new.camel + old.camel
    suffix = common_suffix(child, parent)
    if suffix in (child, parent) or not suffix[:1].isupper():
        return new.camel
    prefix = child.removesuffix(suffix)
    if len(prefix) < len(new.camel) and new.camel in child:
        return new.camel
    return prefix
