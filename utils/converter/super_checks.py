"""Uses of `super()` and `del` that mean something else once the parent's methods are merged into the class."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from syntax.queries import call_of_super

from converter.checks import Finding, Level, place_of
from converter.index import ClassParts, Function, ModuleIndex, StatementKind
from converter.merge.bodies import assigned, deleted, place_of_super


_FIX = "make `super().{0}(...)` its own statement in `{0}`, or write out what it should do"


def methods_of(parts: ClassParts) -> Iterator[tuple[str, Function]]:
    """The methods of a class, by name."""
    return ((each.names[0], each.function) for each in parts.members if each.kind is StatementKind.FUNCTION)


def check_supers(index: ModuleIndex, delta: ClassParts, parent: ClassParts, base: str) -> Iterator[Finding]:
    """The parent is flattened away: any other `super().m` than a whole statement now reaches past it.

    Args:
        index: the delta.
        delta: the class in it.
        parent: the class that it is merged with.
        base: the name of that, for messages.
    """
    inherited = {name for name, _ in methods_of(parent)}
    for name, method in methods_of(delta):
        place = place_of_super(name, method.body)
        unrolled = call_of_super(method.body[place]) if place is not None else None
        pasted = _receiver(unrolled.func) if unrolled is not None and name in inherited else None
        attributes = (node for node in ast.walk(method) if isinstance(node, ast.Attribute))
        plain = {id(each): attribute for attribute in attributes if (each := _receiver(attribute)) is not None}
        for node in ast.walk(method):
            if isinstance(node, ast.Name) and node.id == "__class__":
                yield _reaches(index, node, "`__class__`", base, name)
            if not isinstance(node, ast.Call) or not _is_super(node):
                continue
            if node.args and not _means_this_class(node, delta.name):
                yield _reaches(index, node, f"`{ast.unparse(node)}`", base, name)
            elif node is pasted:
                continue
            elif id(node) not in plain:
                yield _reaches(index, node, f"`{ast.unparse(node)}`, bound to something else,", base, name)
            elif (called := plain[id(node)].attr) in inherited:
                message = f"`super().{called}()` would reach past `{base}.{called}`, which is merged into this class"
                yield place_of(index, plain[id(node)], "nested-super", message, _FIX.format(called), Level.SILENT)


def _receiver(node: ast.AST) -> ast.Call | None:
    """The `super()` of `super().m`."""
    match node:
        case ast.Attribute(value=ast.Call() as call) if _is_super(call):
            return call
    return None


def _is_super(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "super"


def _means_this_class(node: ast.Call, name: str) -> bool:
    first = node.args[0]
    return isinstance(first, ast.Name) and first.id == name and len(node.args) == 2


def _reaches(index: ModuleIndex, node: ast.AST, what: str, base: str, name: str) -> Finding:
    message = f"{what} would reach past `{base}`, whose methods are merged into this class"
    return place_of(index, node, "nested-super", message, _FIX.format(name), Level.SILENT)


def check_deletions(index: ModuleIndex, delta: ClassParts, parent: ClassParts, base: str) -> Iterator[Finding]:
    """Below `super()`, `del x` takes an assignment of the parent's out: one that takes none out would only vanish.

    Args:
        index: the delta.
        delta: the class in it.
        parent: the class that it is merged with.
        base: the name of that, for messages.
    """
    for name, theirs, later in _unrolled(delta, parent):
        there = {assigned(each) for each in theirs}
        for position, statement in enumerate(later):
            target = deleted(statement)
            if target is None:
                continue
            own = any(assigned(each) == target for each in later[:position])
            if own or target not in there:
                why = (
                    "which this method assigns itself" if own else f"which `{base}.{name}` does not assign as a whole"
                )
                message = (
                    f"`{ast.unparse(statement)}` is dropped: it can only take out an assignment of the parent's, {why}"
                )
                fix = f"write `{name}` out"
                yield place_of(index, statement, "vain-deletion", message, fix, Level.SILENT)


def check_repeats(index: ModuleIndex, delta: ClassParts, parent: ClassParts, base: str) -> Iterator[Finding]:
    """Below `super()`, a statement that is there already is dropped.

    Args:
        index: the delta.
        delta: the class in it.
        parent: the class that it is merged with.
        base: the name of that, for messages.
    """
    for name, theirs, later in _unrolled(delta, parent):
        seen = {ast.dump(each) for each in theirs}
        for statement in later:
            said = ast.dump(statement)
            if said in seen and not _is_harmless(statement):
                message = f"`{ast.unparse(statement).partition(chr(10))[0]}` is there already, and merging drops the repetition"
                fix = f"say it in another way, or write `{name}` out"
                yield place_of(index, statement, "dropped-statement", message, fix, Level.SILENT)
            seen.add(said)


def _unrolled(delta: ClassParts, parent: ClassParts) -> Iterator[tuple[str, list[ast.stmt], list[ast.stmt]]]:
    """The methods whose `super()` is unrolled: name, the parent's body, and what the delta says below the call."""
    theirs = dict(methods_of(parent))
    for name, method in methods_of(delta):
        place = place_of_super(name, method.body)
        if place is not None and name in theirs:
            yield name, theirs[name].body, method.body[place + 1 :]


def _is_harmless(statement: ast.stmt) -> bool:
    """What may as well be said once: returning, post_init(), or assigning what is no call."""
    if isinstance(statement, ast.Return) or ast.unparse(statement) == "self.post_init()":
        return True
    return assigned(statement) is not None or deleted(statement) is not None or isinstance(statement, ast.Pass)
