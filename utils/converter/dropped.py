"""What of a delta no output has: nothing of it may disappear without a word."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from converter.checks import Finding, Level, place_of
from converter.index import ModuleIndex, Statement, StatementKind
from converter.merge.classes import method_key
from converter.plan import Draft
from converter.scope import Scope


_OUTSIDE = ("__all__", "__aliases__", "__getattr__")
_WHOLE = "write all of it out in one statement"
_FIX = "move it into a class or a function that a class uses, or write out what it results in"


def check_dropped(scope: Scope, drafts: Mapping[str, Draft]) -> Iterator[Finding]:
    """The statements at the margin that go into no file, save imports, guards of imports and the docstring."""
    index = scope.delta
    kept = {name for draft in drafts.values() for name in draft.body}
    last = {
        name: each
        for each in index.of_kind(StatementKind.CLASS, StatementKind.FUNCTION, StatementKind.ASSIGNMENT)
        for name in each.names
    }
    bound: set[str] = set()
    for each in index.statements:
        if each.kind is StatementKind.OTHER and not isinstance(each.node, ast.Pass | ast.Expr):
            yield _dropped(index, each, "files are made of classes and of what they use")
        elif (
            each.kind is StatementKind.OTHER
            and isinstance(each.node, ast.Expr)
            and not isinstance(each.node.value, ast.Constant)
        ):
            yield _dropped(index, each, "files are made of classes and of what they use")
        elif each.kind is StatementKind.UPDATE:
            yield from _check_update(scope, each, bound)
        elif each.kind in (StatementKind.FUNCTION, StatementKind.ASSIGNMENT, StatementKind.CLASS):
            yield from _check_definition(scope, each, kept, last)
            bound.update(each.names)


def _check_update(scope: Scope, each: Statement, bound: set[str]) -> Iterator[Finding]:
    name = each.names[0]
    if name in _OUTSIDE:
        yield _dropped(scope.delta, each, f"`{name}` is only taken as a whole")
    elif name not in bound:
        yield _dropped(scope.delta, each, f"`{name}` is not assigned above it, and what is imported cannot be changed")
    elif scope.delta.definitions[name].kind is not StatementKind.ASSIGNMENT:
        yield _dropped(scope.delta, each, f"only variables are changed below their assignment, and `{name}` is none")


def _check_definition(
    scope: Scope, each: Statement, kept: set[str], last: Mapping[str, Statement]
) -> Iterator[Finding]:
    index = scope.delta
    if each.kind is StatementKind.ASSIGNMENT and not each.names:
        yield _dropped(index, each, "it assigns no plain name")
        return
    redefined = [name for name in each.names if last[name] is not each]
    for name in redefined:
        if name in index.mentions[name] and last[name].kind is not StatementKind.CLASS:
            yield _dropped(index, each, f"`{name}` is defined again below, from itself")
    if each.kind is StatementKind.CLASS or redefined or not kept.isdisjoint(each.names) or each.names[0] in _OUTSIDE:
        return
    what = f"`{each.names[0]}`"
    if getattr(each.node, "decorator_list", None):
        yield _dropped(index, each, f"no class uses {what}, and what its decorator does is lost with it")
        return
    message = f"{what} goes into no file: no class uses it"
    yield place_of(index, each.node, "unused-definition", message, f"take {what} out, or use it", Level.WARNING)


def _dropped(index: ModuleIndex, each: Statement, why: str) -> Finding:
    fix = _WHOLE if each.names[:1] and each.names[0] in _OUTSIDE else _FIX
    return place_of(index, each.node, "dropped-statement", f"this statement is dropped: {why}", fix, Level.SILENT)


def check_guards(index: ModuleIndex, files: Mapping[str, str]) -> Iterator[Finding]:
    """What stands beside the imports under a guard is kept only along with them."""
    for guard in index.of_kind(StatementKind.GUARD):
        for node in _guarded(guard.guard):
            said = ast.get_source_segment(index.source.text, node) or ""
            if not any(said in text for text in files.values()):
                why = (
                    "no file uses what is imported beside it"
                    if _has_imports(guard.guard)
                    else "no import stands beside it"
                )
                message = f"this statement is dropped: a condition is kept for the imports under it, and {why}"
                yield place_of(index, node, "dropped-statement", message, _FIX, Level.SILENT)


def _has_imports(node: ast.If) -> bool:
    return any(isinstance(each, ast.Import | ast.ImportFrom) for each in ast.walk(node))


def _guarded(node: ast.If) -> Iterator[ast.stmt]:
    """The statements under a guard that do more than import."""
    for each in (*node.body, *node.orelse):
        if isinstance(each, ast.If):
            yield from _guarded(each)
        elif not isinstance(each, ast.Import | ast.ImportFrom | ast.Pass):
            yield each


def check_overwritten(index: ModuleIndex, name: str) -> Iterator[Finding]:
    """Of two methods of one name in a class that is merged, the last one counts; the first's decorators are lost."""
    node = index.definitions[name].node
    assert isinstance(node, ast.ClassDef)
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    keys = [method_key(Statement(StatementKind.FUNCTION, (each.name,), 0, 1, "", "", each)) for each in methods]
    for position, (each, key) in enumerate(zip(methods, keys, strict=True)):
        if each.decorator_list and key in keys[position + 1 :]:
            message = (
                f"this `{each.name}` is dropped: the class defines another one below, and only the last is merged"
            )
            yield place_of(index, each, "dropped-statement", message, "give it a name of its own", Level.SILENT)
