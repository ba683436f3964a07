"""Which definition goes into which output file, and in what order."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from converter.index import ModuleIndex, Statement, take_apart
from converter.kinds import kind_of
from converter.merge import ClassPair, deprecations_of, merge_class
from converter.names import Casing, Spelling
from converter.parents import Parent, base_names, model_imports
from converter.scan import local_functions, mentions


_FIRST = ("logger", "_CHECKPOINT_FOR_DOC", "_CONFIG_FOR_DOC")
_OVERRIDABLE = ("_CHECKPOINT", "_EXPECTED", "_FOR_DOC", "_HIDDEN_STATES_START_POSITION")


@dataclass
class Draft:
    """One output file in the making: definitions in their order."""

    kind: str
    body: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Everything the planner knows: the delta, its parents and how names resolve among them."""

    delta: ModuleIndex
    parents: Mapping[str, Parent]
    model: Spelling
    casing: Casing

    @cached_property
    def imported(self) -> Mapping[str, str]:
        """Name imported by the delta -> the module of the parent it comes from."""
        return {name: module for name, module in model_imports(self.delta).items() if module in self.parents}

    @cached_property
    def imported_functions(self) -> Mapping[str, Parent]:
        """Functions and assignments imported by name, and those they call, under their new names."""
        found: dict[str, Parent] = {}
        for name, module in self.imported.items():
            parent = self.parents[module]
            pending = [parent.rename.word(name)]
            while pending:
                renamed = pending.pop()
                called = renamed != parent.rename.word(name)
                if renamed in found or renamed not in parent.names:
                    continue
                if parent.kind(renamed) == "class" and (not called or renamed in self.classes):
                    continue
                found[renamed] = parent
                pending += sorted(parent.uses(renamed))
        return found

    @cached_property
    def classes(self) -> frozenset[str]:
        """The classes that the delta defines."""
        return frozenset(name for each in self.delta.of_kind("class") for name in each.names)

    @cached_property
    def defined(self) -> frozenset[str]:
        """The functions and assignments that the delta defines."""
        return frozenset(self.delta.definitions) - self.classes

    def kind(self, class_name: str) -> str:
        """The kind of output file that a class belongs to."""
        return kind_of(class_name, self.model.camel, self._derives_from(class_name, "VideosKwargs")).name

    def _derives_from(self, class_name: str, base: str) -> bool:
        for source, name in self._definitions_of(class_name):
            bases = base_names(source.definitions[name].node)
            if base in bases or any(each in source.definitions and each != name and self._derives_in(source, each, base) for each in bases):
                return True
            modules = [self.parents[self.imported[each]].index for each in bases if each in self.imported]
            if any(self._derives_in(index, each, base) for index in modules for each in bases):
                return True
        return False

    def _definitions_of(self, class_name: str) -> Iterator[tuple[ModuleIndex, str]]:
        if class_name in self.classes:
            yield self.delta, class_name
            return
        for parent in self.parents.values():
            if class_name in parent.names and parent.kind(class_name) == "class":
                yield parent.index, parent.names[class_name]

    def _derives_in(self, index: ModuleIndex, class_name: str, base: str) -> bool:
        statement = index.definitions.get(class_name)
        if statement is None or statement.kind != "class":
            return False
        bases = base_names(statement.node)
        return base in bases or any(self._derives_in(index, each, base) for each in bases if each != class_name)

    def origin(self, name: str, parent: Parent | None) -> Parent | None:
        """The parent that a definition is taken from, None for the delta itself."""
        if name in self.defined and self._delta_wins(name, parent):
            return None
        source = self.imported_functions.get(name)
        if source and parent and name in parent.names and parent.kind(name) != "function":
            return parent
        return source or parent

    def _delta_wins(self, name: str, parent: Parent | None) -> bool:
        if parent is None or name not in parent.names:
            return True
        statement = self.delta.definitions[name]
        if statement.kind == "function":
            return True
        if any(mark in name for mark in _OVERRIDABLE):
            return True
        return "_DOCSTRING" in name and not (isinstance(statement.node.value, ast.Constant) and statement.node.value.value is None)

    def is_class(self, name: str, parent: Parent | None) -> bool:
        """Whether a needed definition is a class of a parent's file."""
        source = self.origin(name, parent)
        return source is not None and source.kind(name) == "class"

    def uses(self, name: str, parent: Parent | None) -> frozenset[str]:
        source = self.origin(name, parent)
        if source is not None:
            return source.mentions(name) - {name}
        found = mentions(self.delta.definitions[name].text)
        if parent and name in parent.names:
            found &= self.defined | parent.names.keys()
        return found - {name}

    def text(self, name: str, parent: Parent | None) -> str:
        source = self.origin(name, parent)
        return self.delta.definitions[name].whole if source is None else source.text(name)

    def knows(self, name: str, parent: Parent | None) -> bool:
        """Whether there is a definition that a file needs when it names `name`."""
        if name in self.classes:
            return False
        return name in self.defined or name in self.imported_functions or bool(parent and name in parent.names)


def plan_files(plan: Plan) -> Mapping[str, Draft]:
    """All output files of a delta."""
    drafts: dict[str, Draft] = {}
    for name, statement in {name: each for each in plan.delta.of_kind("class") for name in each.names}.items():
        kind = plan.kind(name)
        draft = drafts.setdefault(kind, Draft(kind))
        parent, text = class_text(plan, statement)
        needed = mentions(text) - {name}
        place(plan, draft, parent, needed)
        draft.body[name] = text
    for draft in drafts.values():
        first = {name: draft.body[name] for name in _FIRST if name in draft.body}
        draft.body = first | draft.body
    for statement in plan.delta.of_kind("assignment"):
        if statement.names == ("__getattr__",):
            for kind, draft in drafts.items():
                text = deprecations_of(statement, lambda name, kind=kind: plan.kind(name) == kind)
                if text:
                    draft.body["__getattr__"] = text
    if "image_processing" in drafts and "image_processing_pil" in drafts:
        copy_definitions(drafts["image_processing"], drafts["image_processing_pil"])
    return drafts


def copy_definitions(source: Draft, draft: Draft) -> None:
    """Copy what `draft` names of another file of the model, below its assignments, instead of importing it."""
    wanted: set[str] = set()
    pending = ["".join(draft.body.values())]
    local = local_functions(pending[0])
    while pending:
        found = (mentions(pending.pop()) & source.body.keys()) - draft.body.keys() - wanted - local
        wanted |= found
        pending += [source.body[name] for name in sorted(found)]
    copies = {name: text for name, text in source.body.items() if name in wanted}
    first = next((i for i, text in enumerate(draft.body.values()) if _is_definition(text)), len(draft.body))
    items = list(draft.body.items())
    draft.body = dict([*items[:first], *copies.items(), *items[first:]])


def _is_definition(text: str) -> bool:
    return any(line.startswith(("class ", "def ", "@")) for line in text.splitlines())


def class_text(plan: Plan, statement: Statement) -> tuple[Parent | None, str]:
    """The parent of one of the delta's classes, and the text of the class once it stands alone."""
    base = next((base for base in base_names(statement.node) if base in plan.imported), None)
    if base is None:
        return None, statement.whole
    parent = plan.parents[plan.imported[base]]
    renamed = parent.rename.word(base)
    if renamed not in parent.names:
        return None, statement.whole
    pair = ClassPair(parent.class_parts(renamed), take_apart(statement.whole), base, plan.casing)
    return parent, merge_class(pair)


def place(plan: Plan, draft: Draft, parent: Parent | None, needed: Iterable[str]) -> None:
    """Put into `draft` whatever the `needed` names mean: class by class, each below its own needs; then the rest."""
    names = closure(plan, draft, parent, needed)
    classes = [name for name in in_order(plan, parent, names) if plan.is_class(name, parent)]
    for name in classes:
        direct = closure(plan, draft, parent, plan.uses(name, parent), through_classes=False)
        put(plan, draft, parent, direct - {name})
        put(plan, draft, parent, [name])
    put(plan, draft, parent, names.difference(classes))


def put(plan: Plan, draft: Draft, parent: Parent | None, names: Iterable[str]) -> None:
    """Append definitions that `draft` does not have yet, in order."""
    for name in in_order(plan, parent, names):
        draft.body.setdefault(name, plan.text(name, parent))


def in_order(plan: Plan, parent: Parent | None, names: Iterable[str]) -> list[str]:
    """Sort by position. Ties (names that the parent's file lacks) come in reverse alphabetical order, as in the reference."""
    return sorted(sorted(names, reverse=True), key=lambda name: position(plan, parent, name))


def position(plan: Plan, parent: Parent | None, name: str) -> tuple[int, int, int]:
    """Sorting key: what the parent's file has, in its order; then what other files have; then the delta's own."""
    source = plan.origin(name, parent)
    if source is None:
        return 2, 0, plan.delta.definitions[name].order
    if parent and name in parent.names:
        return 0, 0, parent.order(name)
    if parent:
        return 1, 0, 0
    files = list(dict.fromkeys(plan.imported_functions.values()))
    index, first = next((i, file) for i, file in enumerate(files) if name in file.names)
    return 1, index, first.order(name)


def closure(
    plan: Plan, draft: Draft, parent: Parent | None, start: Iterable[str], through_classes: bool = True
) -> set[str]:
    """Every definition that `start` needs, at any depth, and that belongs into this file."""
    found: set[str] = set()
    pending = list(start)
    while pending:
        name = pending.pop()
        if name in found or not plan.knows(name, parent):
            continue
        source = plan.origin(name, parent)
        is_class = source is not None and source.kind(name) == "class"
        if is_class and plan.kind(name) != draft.kind:
            continue
        found.add(name)
        if through_classes or not is_class:
            pending += plan.uses(name, parent)
    return found
