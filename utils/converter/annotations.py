"""Annotations that cannot be evaluated where they stand: what `from __future__ import annotations` is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from syntax.import_time import early_nodes
from syntax.queries import bound_names, last_name, names_in
from syntax.trees import statements_of

from converter.checks import Finding, Level, place_of
from converter.index import ModuleIndex, StatementKind
from converter.scope import Scope
from converter.values import Layout, Target


_POSTPONED = "from __future__ import annotations"


def kept_future(scope: Scope, target: Target, text: str) -> str:
    """The import that postpones annotations, for a file of a package that fails without it; "" where none is needed.

    Args:
        scope: the delta and its parents, of which one has the import.
        target: the form of the files; inside a tree the reference leaves it out.
        text: imports and body of the file.
    """
    if target.layout is Layout.TREE or _import_of(scope) is None or _POSTPONED in text:
        return ""
    return f"\n{_POSTPONED}\n" if any(_unready(text)) else ""


def check_annotations(scope: Scope, files: Mapping[str, str]) -> Iterator[Finding]:
    """Annotations of the outputs that fail once the import that postponed them is lost."""
    found = _import_of(scope)
    for name, text in files.items() if found else ():
        unready = [] if _POSTPONED in text else sorted(_unready(text))
        if found and unready:
            index, node = found
            here = node if index is scope.delta else ast.Pass()
            message = f"{name} has no `{_POSTPONED}`, and an annotation needs `{unready[0]}`, which is not there yet"
            fix = f'quote the annotation: `"{unready[0]}"`'
            yield place_of(scope.delta, here, "lost-future", message, fix, Level.SILENT)


def _import_of(scope: Scope) -> tuple[ModuleIndex, ast.stmt] | None:
    """The first import that postpones annotations, of the delta or of one of its parents."""
    for index in (scope.delta, *(parent.index for parent in scope.parents.values())):
        for each in index.of_kind(StatementKind.IMPORT):
            if getattr(each.node, "module", "") == "__future__" and "annotations" in each.names:
                return index, each.node
    return None


def _unready(text: str) -> Iterator[str]:
    """The names in annotations of a text that nothing has bound when they are evaluated."""
    try:
        body = statements_of(text)
    except SyntaxError:  # told elsewhere
        return
    typing_only = {name for node in body for each in _for_typing(node) for name in bound_names(each)}
    ours = {name for node in body for name in bound_names(node)}
    typing_only -= ours
    bound: set[str] = set()
    for node in body:
        early = {id(each) for each in early_nodes(node)}
        for owner in ast.walk(node):
            if isinstance(owner, ast.AnnAssign) and id(owner) not in early:
                continue  # those of locals are never evaluated
            missing = typing_only | (ours - bound) if id(owner) in early else typing_only
            yield from {name for note in _annotations(owner) for name in names_in(note)} & missing
        bound.update(bound_names(node))


def _for_typing(node: ast.stmt) -> Sequence[ast.stmt]:
    """What stands under `if TYPE_CHECKING:` and is never run."""
    if isinstance(node, ast.If) and last_name(node.test) == "TYPE_CHECKING" and not node.orelse:
        return node.body
    return ()


def _annotations(node: ast.AST) -> Iterator[ast.expr]:
    """What a node says of types and evaluates."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        every = (each.annotation for each in ast.walk(node.args) if isinstance(each, ast.arg))
        yield from (each for each in (*every, node.returns) if each is not None)
    elif isinstance(node, ast.AnnAssign):
        yield node.annotation
