"""Whether what an output imports from transformers and from the files beside it is there, told from text alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from syntax.source import Source
from syntax.trees import statements_of, tree_of

from converter.imports import ImportItem, absolute_module, import_items
from converter.values import Layout, Loader, Target


_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+[.\w]+[ \t]+import\b(?:[ \t]*\([^)]*\)|[^\n]*)|import[ \t]+[^\n]*)", re.MULTILINE
)
_DEFINITION = re.compile(r"(?:class[ \t]+|(?:async[ \t]+)?def[ \t]+)?([^\W\d]\w*)[ \t]*(?:[(:=\[]|$)")
_FROM_IMPORT = re.compile(r"^from[ \t]+[.\w]+[ \t]+import[ \t]+(?:\(([^)]*)\)|([^\n(]+))", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_NO_DEFINITION = ("", " ", "#", "@", ")", "\t", '"')
_CORE = ("transformers", "transformers.utils", "transformers.integrations", "transformers.generation")
_OURS = ("transformers", "generated")
_CATCHES = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True, slots=True)
class Missing:
    """An import of an output that would fail: of a module that is not there, or (with `name`) of what it lacks."""

    file: str
    module: str  # as the message names it
    name: str
    is_sibling: bool


def find_missing(files: Mapping[str, str], importer: str, target: Target, load: Loader) -> Iterator[Missing]:
    """The imports of transformers and of siblings that do not resolve; none where no whole transformers is at hand.

    Args:
        files: the outputs, file name -> text.
        importer: the dotted name that relative imports of the outputs start from.
        target: the model and the form of the files.
        load: reads a module by its dotted name; None where there is none.
    """
    if any(load(module) is None for module in _CORE):
        return  # a tree of a few models cannot tell what is missing
    for file, text in files.items():
        suspects = {
            item: found for item in _items(text) if (found := _missing(file, item, files, importer, target, load))
        }
        if suspects:  # the words may stand in a docstring, or in a `try`
            certain = _unguarded(text)
            yield from dict.fromkeys(found for item, found in suspects.items() if item in certain)


def _items(text: str) -> Iterator[ImportItem]:
    statements = [found.group().strip() for found in _IMPORT.finditer(text)]
    try:
        body = statements_of("\n".join(statements))
    except SyntaxError:  # prose is among them
        body = [node for each in statements for node in _parsed(each)]
    for node in body:
        yield from import_items(node)


def _parsed(statement: str) -> list[ast.stmt]:
    try:
        return statements_of(statement)
    except SyntaxError:
        return []


def _unguarded(text: str) -> set[ImportItem]:
    """What a text's import statements ask for, save those that it expects to fail."""
    found: set[ImportItem] = set()
    pending: list[ast.AST] = [tree_of(text)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Try) and any(_catches_imports(each) for each in node.handlers):
            pending += [*node.handlers, *node.orelse, *node.finalbody]
            continue
        if isinstance(node, ast.stmt):
            found.update(import_items(node))
        pending += ast.iter_child_nodes(node)
    return found


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else _CATCHES
    return bool(names & _CATCHES)


def _missing(
    file: str, item: ImportItem, files: Mapping[str, str], importer: str, target: Target, load: Loader
) -> Missing | None:
    module = absolute_module(item, importer)
    if item.level == 1 and item.module:
        beside = f"{item.module}.py"
        if beside in files:
            known = item.name in ("", "*") or binds(Source(beside, module, files[beside]), item.name, load)
            return None if known else Missing(file, beside, item.name, True)
        if target.layout is Layout.PACKAGE or load(module) is None:
            return Missing(file, beside, "", True)
    if module == "transformers" or module.partition(".")[0] not in _OURS:
        return None  # what transformers itself lends is put together from all of its models
    source = load(module)
    if source is None:
        return Missing(file, module, "", False)
    known = item.name in ("", "*") or load(f"{module}.{item.name}") is not None or binds(source, item.name, load)
    if known:
        return None
    return Missing(file, module, item.name, False)


def binds(source: Source, name: str, load: Loader, depth: int = 2) -> bool:
    """Whether a module has a name once it is imported; a module that makes its names up on demand has any it mentions.

    Args:
        source: the module.
        name: what is looked for in it.
        load: reads a module by its dotted name; None where there is none.
        depth: how many `import *` are followed, one inside the other.
    """
    if name in _plainly_defined(source) or name in _plainly_imported(source):
        return True
    found = _bindings(source)
    if name in found.names or (found.is_lazy and re.search(rf"[\"']{re.escape(name)}[\"']", source.text)):
        return True
    stars = [load(each) for each in found.stars] if depth else []
    return any(binds(each, name, load, depth - 1) for each in stars if each is not None)


@lru_cache(maxsize=512)
def _plainly_defined(source: Source) -> frozenset[str]:
    """The names that lines at the margin define: nearly all, at a hundredth of the price of a tree."""
    lines = (line for line in source.text.split("\n") if line[:1] not in _NO_DEFINITION)
    return frozenset(found[1] for line in lines if (found := _DEFINITION.match(line)))


@lru_cache(maxsize=512)
def _plainly_imported(source: Source) -> frozenset[str]:
    """The names that `from ... import` statements at the margin bind, of those that are easily read."""
    lists = (found[1] or found[2] for found in _FROM_IMPORT.finditer(source.text))
    parts = (part.split() for each in lists for part in _COMMENT.sub("", each).split(","))
    return frozenset(part[-1] for part in parts if part)


@dataclass(frozen=True, slots=True)
class _Bindings:
    names: frozenset[str]
    stars: tuple[str, ...]  # modules that everything is imported from
    is_lazy: bool


@lru_cache(maxsize=512)
def _bindings(source: Source) -> _Bindings:
    try:
        tree = tree_of(source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _Bindings(frozenset(), (), True)
    names: set[str] = set()
    stars: list[str] = []
    importer = source.module + (".__init__" if source.path.endswith("__init__.py") else "")
    for node in _at_module_level(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for item in import_items(node):
                names.add(item.binds)
                stars += [absolute_module(item, importer)] if item.name == "*" else []
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return _Bindings(frozenset(names), tuple(stars), "_LazyModule" in source.text or "__getattr__" in names)


def _at_module_level(tree: ast.Module) -> Iterator[ast.AST]:
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
