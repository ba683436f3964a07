"""Statements beside `super()` that read or keep another value once the parent's body is pasted in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syntax.import_time import early_nodes
from syntax.queries import is_self, names_in, string

from converter.checks import Finding, Level, place_of
from converter.index import ClassParts, Function, ModuleIndex
from converter.merge.bodies import assigned, deleted, place_of_super
from converter.super_checks import methods_of


_REGISTERS = ("setattr", "register_buffer", "register_parameter", "add_module", "register_module")


@dataclass(frozen=True, slots=True)
class _Unrolled:
    """A method of the delta in which the parent's body takes the place of `super().<name>(...)`."""

    name: str
    base: str  # the parent's class
    parameters: frozenset[str]
    before: Sequence[ast.stmt]
    theirs: Sequence[ast.stmt]
    later: Sequence[ast.stmt]

    def woven(self) -> list[ast.stmt]:
        """The parent's statements as they are pasted in, those that the delta replaces replaced."""
        mine = {target: each for each in self.later if (target := assigned(each))}
        removed = {deleted(each) for each in self.later}
        targets = [(each, assigned(each)) for each in self.theirs]
        return [mine.get(target or "", each) for each, target in targets if target is None or target not in removed]


def check_order(index: ModuleIndex, delta: ClassParts, parent: ClassParts, base: str) -> Iterator[Finding]:
    """An assignment below `super()` that replaces the parent's stands where the parent's stood, not where it is written.

    Args:
        index: the delta.
        delta: the class in it.
        parent: the class that it is merged with.
        base: the name of that, for messages.
    """
    for method in _unrolled(delta, parent, base):
        woven = method.woven()
        every = [*woven, *(each for each in method.later if each not in woven)]
        for place, statement in enumerate(woven):
            if statement in method.later and statement not in woven[:place]:
                why = _misplaced(method, statement, every[:place], every[place + 1 :])
                if why is not None:
                    message = f"this takes the place of the assignment in `{base}.{method.name}`, {why}"
                    fix = f"write `{method.name}` out, with the statements in the order that they need"
                    yield place_of(index, statement, "misplaced-assignment", message, fix, Level.SILENT)


def _misplaced(
    method: _Unrolled, statement: ast.stmt, above: Sequence[ast.stmt], below: Sequence[ast.stmt]
) -> str | None:
    """What goes wrong with an assignment where the parent's stood, if anything does."""
    target = assigned(statement) or ""
    read = _read(statement) - method.parameters
    if target in read:
        return f"and reads the `{target}` that the replaced one sets"
    known = {name for each in (*method.before, *above) for name in _set(each)}
    late = sorted((read - known) & {name for each in below for name in _set(each)})
    if late:
        return f"above the line that sets `{late[0]}`, which it reads"
    again = [each for each in below if each in method.theirs and assigned(each) != target and target in _set(each)]
    if target.startswith("self.") and again:
        return f"which sets `{target}` again further down, inside a block"
    return None


def check_locals(index: ModuleIndex, delta: ClassParts, parent: ClassParts, base: str) -> Iterator[Finding]:
    """Locals and parameters that a method reads below `super()` are its own, not those of the body pasted in between.

    Args:
        index: the delta.
        delta: the class in it.
        parent: the class that it is merged with.
        base: the name of that, for messages.
    """
    for method in _unrolled(delta, parent, base):
        woven = method.woven()
        overwritten = {name for each in woven if each in method.theirs for name in _set(each)}
        mine = method.parameters | {name for each in method.before for name in _set(each)}
        for statement in (each for each in method.later if each not in woven):  # those stand among the parent's
            clash = sorted(name for name in _read(statement) & mine & overwritten if "." not in name)
            if clash:
                message = f"`{clash[0]}` is another one here: `{base}.{method.name}`, pasted in above, assigns it too"
                fix = f"keep what this statement needs under another name, above `super().{method.name}(...)`"
                yield place_of(index, statement, "overwritten-local", message, fix, Level.SILENT)
            mine -= _set(statement)


def _unrolled(delta: ClassParts, parent: ClassParts, base: str) -> Iterator[_Unrolled]:
    theirs = dict(methods_of(parent))
    for name, method in methods_of(delta):
        place = place_of_super(name, method.body)
        if place is not None and name in theirs:
            body = method.body
            yield _Unrolled(name, base, _parameters(method), body[:place], theirs[name].body, body[place + 1 :])


def _parameters(method: Function) -> frozenset[str]:
    return frozenset(each.arg for each in ast.walk(method.args) if isinstance(each, ast.arg))


def _read(statement: ast.stmt) -> set[str]:
    """The names, and the attributes of `self`, that a statement reads when it runs."""
    return {name for node in early_nodes(statement) if (name := _named(node, ast.Load))} - _own_to_loops(statement)


def _set(statement: ast.stmt) -> set[str]:
    """The names, and the attributes of `self`, that a statement gives a value, in its blocks as well."""
    found = set()
    for node in early_nodes(statement):
        if name := _named(node, ast.Store):
            found.add(name)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {each.asname or each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.Call) and (name := _registered(node)):
            found.add(f"self.{name}")
    return found - _own_to_loops(statement)


def _own_to_loops(statement: ast.stmt) -> set[str]:
    """The names that comprehensions go through: nobody else sees them."""
    loops = (node for node in early_nodes(statement) if isinstance(node, ast.comprehension))
    return {name for loop in loops for name in names_in(loop.target)}


def _named(node: ast.AST, context: type[ast.expr_context]) -> str | None:
    if isinstance(node, ast.Name) and isinstance(node.ctx, context):
        return node.id
    if isinstance(node, ast.Attribute) and is_self(node) and isinstance(node.ctx, context):
        return f"self.{node.attr}"
    return None


def _registered(call: ast.Call) -> str | None:
    """The attribute that `self.register_buffer("x", ...)` and the like set."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return next(filter(None, map(string, call.args[:2])), None) if called in _REGISTERS else None
