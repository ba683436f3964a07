"""What is wrong with a delta before anything is expanded: its imports, its bases, its `__all__`."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from diagnostics.values import Diagnostic
from syntax.queries import dotted

from converter.imports import absolute_module, import_items
from converter.index import ModuleIndex, StatementKind
from converter.kinds import kind_of_module, model_of_module
from converter.names import Casing, Spelling, spelled_by
from converter.parents import FollowedImport, Parent, followed_imports
from converter.values import Loader


class Level(Enum):
    """How much is at stake."""

    ERROR = "error"  # no output can be right
    SILENT = "silent"  # the reference goes on silently and wrongly: refused when strict, else a warning
    WARNING = "warning"  # right, but perhaps not what was meant


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with its level."""

    level: Level
    diagnostic: Diagnostic


def warnings_of(findings: Sequence[Finding], strict: bool) -> tuple[Diagnostic, ...]:
    """The warnings among the findings. Raises ConversionError with all others, if there are any."""
    refused = [each for each in findings if each.level is Level.ERROR or (strict and each.level is Level.SILENT)]
    if refused:
        raise ConversionError(*(each.diagnostic for each in refused))
    return tuple(each.diagnostic for each in findings)


def by_place(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the order in which a reader meets them, whatever order they were found in."""
    return sorted(findings, key=lambda each: (each.diagnostic.line, each.diagnostic.column, each.diagnostic.code))


Run = TypeVar("Run", bound=Callable[..., Iterator[Finding]])


@dataclass(frozen=True, slots=True)
class Check(Generic[Run]):
    """A row of a table of checks: what finds something, and the codes that it may find, as docs/errors.md has them."""

    run: Run
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """A delta before anything is expanded, and what it is looked up in."""

    index: ModuleIndex
    parents: Mapping[str, Parent]  # the modules that it inherits from, by dotted name
    casing: Casing
    load: Loader

    def followed(self) -> list[FollowedImport]:
        """The imports of parents, in order."""
        return list(followed_imports(self.index))


def check_delta(index: ModuleIndex, parents: Mapping[str, Parent], casing: Casing, load: Loader) -> Iterator[Finding]:
    """Everything that can be said without expanding: what DELTA_CHECKS find.

    Args:
        index: the delta.
        parents: the modules that it inherits from, by dotted name.
        casing: how model names are written in CamelCase.
        load: reads a module by its dotted name; None where there is none.
    """
    delta = Delta(index, parents, casing, load)
    return (found for check in DELTA_CHECKS for found in check.run(delta))


def place_of(index: ModuleIndex, node: ast.AST, code: str, message: str, fix: str, level: Level) -> Finding:
    """A finding at a node of the delta.

    Args:
        index: the delta.
        node: where; a node without a place stands for the first line.
        code: of the finding, as docs/errors.md lists them.
        message: what is wrong.
        fix: what to do about it.
        level: how much is at stake.
    """
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    return Finding(level, index.source.problem(line, column, code, message, fix))


def _check_imports(delta: Delta) -> Iterator[Finding]:
    index = delta.index
    for statement in index.of_kind(StatementKind.IMPORT):
        for item, alias in zip(import_items(statement.node), statement.imported.names, strict=True):
            if item.level and absolute_module(item, index.source.module).partition(".")[0] != "transformers":
                message = (
                    f"`{'.' * item.level}{item.module}` lies outside of transformers, as seen from one of its models"
                )
                fix = "three dots are `transformers`, two are `transformers.models`: or write the absolute name"
                yield place_of(index, alias, "bad-relative-import", message, fix, Level.ERROR)
            is_top = item.name and item.module == "transformers" and not item.level
            # `from transformers import initialization` imports a module
            if is_top and delta.load(f"transformers.{item.name}") is None:
                message = f"`{item.name}` is imported from `transformers` itself, where nothing tells what it is"
                fix = f"import `{item.name}` from the module that defines it, `from transformers.<module> import ...`"
                yield place_of(index, alias, "top-level-import", message, fix, Level.ERROR)


def _check_parents(delta: Delta) -> Iterator[Finding]:
    return (found for each in delta.followed() for found in _check_parent(delta, each))


def _check_parent(delta: Delta, each: FollowedImport) -> Iterator[Finding]:
    index = delta.index
    alias = next(alias for alias in each.statement.imported.names if alias.name == each.item.name)
    parent = delta.parents.get(each.module)
    if parent is None:
        yield _unknown_module(index, each, delta.casing)
        return
    if each.item.alias:
        message = f"`{each.item.name}` is imported as `{each.item.alias}`, but renaming has to find it by its own name"
        fix = f"import `{each.item.name}` under its own name"
        yield place_of(index, alias, "aliased-import", message, fix, Level.ERROR)
    if kind_of_module(each.module) == "modeling" and each.item.name.endswith("Config"):
        package, _, last = each.module.rpartition(".")
        right = f"{package}.{last.replace('modeling_', 'configuration_', 1)}"
        message = f"the configuration `{each.item.name}` is imported from a modeling file"
        fix = f"`from {right} import {each.item.name}`"
        yield place_of(index, alias, "config-from-modeling", message, fix, Level.ERROR)
    elif each.item.name not in parent.index.definitions and each.item.name not in _imported_names(parent.index):
        guess = nearest(each.item.name, parent.index.definitions)
        fix = f"did you mean `{guess}`?" if guess else f"import one of the names that {each.module} defines"
        message = f"{each.module} defines no `{each.item.name}`"
        yield place_of(index, alias, "unknown-name", message, fix, Level.SILENT)


def _check_prefixes(delta: Delta) -> Iterator[Finding]:
    for parent in delta.parents.values():
        if parent.doubt:
            first = next(each for each in delta.followed() if each.module == parent.module)
            fix = "name the classes so that they agree on one prefix"
            yield place_of(delta.index, first.statement.node, "doubtful-prefix", parent.doubt, fix, Level.WARNING)


def check_capitals(index: ModuleIndex, model: Spelling) -> Iterator[Finding]:
    """Classes of a model that no table lists, whose capitals are others than those of its other classes.

    What the delta does not write is called after one spelling, and would be looked for under it.
    """
    named = [
        (name, each.node)
        for each in index.of_kind(StatementKind.CLASS)
        for name in each.names
        if spelled_by(model, name)
    ]
    usual = next((name for name, _ in named if name.startswith(model.camel)), "")
    for name, node in named:
        if usual and not name.startswith(model.camel):
            message = (
                f"`{name}` and `{usual}` spell the model's name with different capitals, but it has to have one name"
            )
            fix = f"`{model.camel}{name[len(model.camel) :]}`, or spell all others as this one"
            yield place_of(index, node, "mixed-capitals", message, fix, Level.SILENT)


def _unknown_module(index: ModuleIndex, each: FollowedImport, casing: Casing) -> Finding:
    model = model_of_module(each.module) or ""
    guess = nearest(model, (name.replace("-", "_") for name in casing.models))
    fix = "correct the module's name"
    if guess and guess != model:
        fix = f"did you mean `{each.module.replace(model, guess)}`?"
    elif not each.module.startswith("transformers."):
        fix = f"convert the model that makes {each.module} first"
    message = f"there is no module {each.module}"
    return place_of(index, each.statement.node, "unknown-module", message, fix, Level.ERROR)


def _imported_names(index: ModuleIndex) -> set[str]:
    return {name for each in index.of_kind(StatementKind.IMPORT) for name in each.names}


def _check_bases(delta: Delta) -> Iterator[Finding]:
    index, followed = delta.index, {each.name for each in delta.followed()}
    bound = set(index.definitions) | _imported_names(index) | _guarded_names(index)
    bound |= {name.partition(".")[0] for name in bound}
    for statement in index.of_kind(StatementKind.CLASS):
        models = [base for base in statement.owner.bases if isinstance(base, ast.Name) and base.id in followed]
        if len(models) > 1:
            names = " and ".join(f"`{base.id}`" for base in models)
            message = f"`{statement.names[0]}` has more than one parent to merge with: {names}"
            fix = "inherit from one of them and restate what the other adds"
            yield place_of(index, models[1], "two-parents", message, fix, Level.ERROR)
        for base in statement.owner.bases:
            root = next((node.id for node in ast.walk(base) if isinstance(node, ast.Name)), None)
            if root and root not in bound and not hasattr(builtins, root):
                guess = nearest(root, bound)
                fix = f"did you mean `{guess}`?" if guess else f"import `{root}` from the module that defines it"
                message = f"nothing here defines or imports the base `{root}`"
                yield place_of(index, base, "unknown-base", message, fix, Level.ERROR)


def _check_module_bases(delta: Delta) -> Iterator[Finding]:
    """A parent that is named through its module is no parent to merge with: the output inherits from it."""
    modules = dict(_imported_modules(delta))
    for statement in delta.index.of_kind(StatementKind.CLASS):
        for base in statement.owner.bases:
            owner, _, name = dotted(base).rpartition(".")
            if owner in modules:
                message = (
                    f"`{dotted(base)}` is not merged into `{statement.names[0]}`, which would only inherit from it"
                )
                fix = f"`from {modules[owner]} import {name}`, and `class {statement.names[0]}({name})`"
                yield place_of(delta.index, base, "unmerged-parent", message, fix, Level.SILENT)


def _imported_modules(delta: Delta) -> Iterator[tuple[str, str]]:
    """The modules of models that the delta imports as such: how it calls each, and its dotted name."""
    for statement in delta.index.of_kind(StatementKind.IMPORT):
        for item in import_items(statement.node):
            module = absolute_module(item, delta.index.source.module)
            module = f"{module}.{item.name}" if item.name else module
            if item.level != 1 and model_of_module(module) and delta.load(module) is not None:
                yield item.alias or item.name or item.module, module


def _guarded_names(index: ModuleIndex) -> set[str]:
    guards = (node for each in index.of_kind(StatementKind.GUARD) for node in ast.walk(each.node))
    return {item.binds for node in guards if isinstance(node, ast.stmt) for item in import_items(node)}


def _check_all(delta: Delta) -> Iterator[Finding]:
    index = delta.index
    statement = index.definitions.get("__all__")
    if statement is None:
        message = "there is no `__all__`, which says what each output file exports: none of them has one"
        fix = '`__all__ = ["...Config", "...Model", ...]` as the last statement'
        yield Finding(Level.WARNING, index.source.problem(1, 1, "missing-all", message, fix))
    elif exported_names(index) is None:
        message, fix = "`__all__` is not a list of strings", "write the names out, as a list of strings"
        yield place_of(index, statement.node, "bad-all", message, fix, Level.ERROR)


def exported_names(index: ModuleIndex) -> list[str] | None:
    """The names in `__all__ = [...]`: none without one, None where they are not plain strings."""
    statement = index.definitions.get("__all__")
    if statement is None:
        return []
    value = getattr(statement.node, "value", None)
    elements = value.elts if isinstance(value, ast.List | ast.Tuple) else None
    if elements is None:
        return None
    said = [each.value for each in elements if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return said if len(said) == len(elements) else None


DELTA_CHECKS: tuple[Check[Callable[[Delta], Iterator[Finding]]], ...] = (
    Check(_check_imports, ("bad-relative-import", "top-level-import")),
    Check(_check_prefixes, ("doubtful-prefix",)),
    Check(_check_parents, ("unknown-module", "unknown-name", "aliased-import", "config-from-modeling")),
    Check(_check_bases, ("unknown-base", "two-parents")),
    Check(_check_module_bases, ("unmerged-parent",)),
    Check(_check_all, ("missing-all", "bad-all")),
)
