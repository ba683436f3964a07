"""The modules a delta inherits from: which they are, and what each is renamed to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from converter.imports import (
    Guard,
    ImportItem,
    ImportLine,
    absolute_module,
    import_items,
    map_items,
    read_imports,
)
from converter.index import ClassParts, ModuleIndex, index_module, take_apart
from converter.kinds import model_of_module
from converter.merge.classes import common_suffix
from converter.names import Casing, Rename, Spelling
from converter.scan import mentions
from converter.values import Loader


@dataclass(frozen=True, eq=False)
class Parent:
    """One followed module, seen through the renaming of its model into the delta's."""

    index: ModuleIndex
    module: str
    rename: Rename  # to the class prefix in use for this file
    model_rename: Rename  # to the model's own name: for the imports of sibling files

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Renamed definition -> the name it has in the file."""
        return {self.rename.word(name): name for name in self.index.definitions}

    def order(self, name: str) -> int:
        """Position of a definition in its file."""
        return self.index.definitions[self.names[name]].order

    def uses(self, name: str) -> frozenset[str]:
        """The definitions of this file that one of them mentions."""
        return frozenset(map(self.rename.word, self.index.uses[self.names[name]]))

    def mentions(self, name: str) -> frozenset[str]:
        """Every word of a definition that can be a name, under the new names."""
        return frozenset(map(self.rename.word, mentions(self.index.definitions[self.names[name]].text)))

    def text(self, name: str) -> str:
        """A definition's renamed text."""
        return self.rename.code(without_copied_from(self.index.definitions[self.names[name]].whole))

    def kind(self, name: str) -> str:
        return self.index.definitions[self.names[name]].kind

    def class_parts(self, name: str) -> ClassParts:
        return take_apart(self.text(name))

    @cached_property
    def imports(self) -> Sequence[ImportLine | Guard]:
        """The file's imports under the new names."""
        return [map_items(each, self._renamed) for each in read_imports(self.index)]

    def _renamed(self, item: ImportItem) -> ImportItem:
        if not item.level:
            return item
        rename = self.model_rename if item.level == 1 else self.rename
        return ImportItem(rename.word(item.module), self.rename.word(item.name), item.alias, item.level)


def without_copied_from(text: str) -> str:
    """Drop the comment lines that say where code was copied from: they speak of the parent."""
    if "# Copied from" not in text:
        return text
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("# Copied from"))


def find_parents(index: ModuleIndex, model: str, load: Loader, casing: Casing) -> Mapping[str, Parent]:
    """Every module that the delta imports model code from, by dotted name."""
    imported = model_imports(index)
    new = casing.of_model(model)
    parents = {}
    for module in dict.fromkeys(imported.values()):
        source = load(module)
        if source is None:
            continue
        old = casing.of_model(module.split(".")[-2])
        children = [
            (each.node.name, base)
            for each in index.of_kind("class")
            for base in base_names(each.node)
            if imported.get(base) == module
        ]
        own = Rename(old, new)
        prefix = infer_prefix(children, old, new, casing)
        parent_index = index_module(source)
        if prefix != new and is_taken(prefix.camel.replace(new.camel, old.camel), parent_index):
            prefix = new
        parents[module] = Parent(parent_index, module, Rename(old, prefix), own)
    return parents


def model_imports(index: ModuleIndex) -> Mapping[str, str]:
    """Name -> the module it is imported from, for the imports that are followed."""
    found = {}
    for statement in index.of_kind("import"):
        for item in import_items(statement.node):
            module = absolute_module(item, index.source.module)
            if item.level != 1 and item.name and model_of_module(module):
                found[item.binds] = module
    return found


def base_names(node) -> list[str]:
    import ast

    return [ast.unparse(base) for base in node.bases]


def infer_prefix(children: Sequence[tuple[str, str]], old: Spelling, new: Spelling, casing: Casing) -> Spelling:
    """The class prefix that stands for the parent's, from the names of the delta's classes and of their parents."""
    prefixes = [prefix_of(child, parent, old, new) for child, parent in children if child != parent]
    if not prefixes:
        return new
    counts = Counter(prefixes)
    most = max(counts.values())
    best = [prefix for prefix in prefixes if counts[prefix] == most]
    chosen = new.camel if new.camel in best else best[-1]
    return new if chosen == new.camel else casing.of_prefix(chosen)


def is_taken(prefix: str, index: ModuleIndex) -> bool:
    """Whether classes of a file already carry a prefix: then it cannot stand for the file's own."""
    return any(name.startswith(prefix) for each in index.of_kind("class") for name in each.names)


def prefix_of(child: str, parent: str, old: Spelling, new: Spelling) -> str:
    """The prefix that one child suggests."""
    if child == new.camel + parent:
        return new.camel + old.camel
    suffix = common_suffix(child, parent)
    if suffix in (child, parent) or not suffix[:1].isupper():
        return new.camel
    prefix = child.removesuffix(suffix)
    if len(prefix) < len(new.camel) and new.camel in child:
        return new.camel
    return prefix
