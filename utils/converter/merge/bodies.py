"""Weave the parent's body into the delta's where the delta calls `super()`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from syntax.queries import called_super

from converter.index import Statement


# What the methods woven so far assign below their `super()` call, by target.
Carried = dict[str, Statement]


def unroll_super(
    name: str, parent: Sequence[Statement], delta: Sequence[Statement], carried: Carried
) -> Sequence[Statement]:
    """The delta's body with the parent's in the place of its `super().<name>(...)` statement.

    parent   self.a = 1; self.b = 2; self.post_init()
    delta    super().__init__(); del self.a; self.b = 3; self.c = 4
    result   self.b = 3; self.c = 4; self.post_init()

    Args:
        name: of the method.
        parent, delta: the statements of both bodies.
        carried: what earlier methods of the class assigned, by target; what this one assigns is added. The reference
            keeps one such table for a whole class, so that what one method assigns also replaces assignments of the
            same target in the methods woven after it.
    """
    place = place_of_super(name, [each.node for each in delta])
    if place is None:
        return delta
    before, after = delta[:place], delta[place + 1 :]
    woven = [*before, *_weave(parent, after, carried)]
    if before and parent and called_super(parent[0].node) == "__init__":
        woven.sort(key=lambda each: called_super(each.node) != "__init__")
    return _post_init_last(woven)


def place_of_super(name: str, body: Sequence[ast.stmt]) -> int | None:
    """The position of the statement `super().<name>(...)` that is unrolled: the first one of a method's body."""
    return next((i for i, each in enumerate(body) if called_super(each) == name), None)


def assigned(node: ast.stmt) -> str | None:
    """The target of an assignment as code, `self.x` or `x`."""
    match node:
        case ast.Assign(targets=targets):
            return " = ".join(map(ast.unparse, targets))
        case ast.AnnAssign(target=target):
            return ast.unparse(target)
    return None


def deleted(node: ast.stmt) -> str | None:
    """The target of `del x`."""
    match node:
        case ast.Delete(targets=[target]):
            return ast.unparse(target)
    return None


def _weave(parent: Sequence[Statement], later: Sequence[Statement], carried: Carried) -> Iterable[Statement]:
    removed = {deleted(each.node) for each in later} - {None}
    carried.update({target: each for each in later if (target := assigned(each.node)) is not None})
    targets = [(each, assigned(each.node)) for each in parent]
    woven = [carried.get(target, each) if target else each for each, target in targets if target not in removed]
    present = {ast.dump(each.node) for each in woven}
    yield from woven
    for each in later:
        said = ast.dump(each.node)
        if deleted(each.node) is None and said not in present:
            present.add(said)
            yield each


def _post_init_last(statements: Sequence[Statement]) -> Sequence[Statement]:
    posts = [each for each in statements if each.text.strip() == "self.post_init()"]
    return [*(each for each in statements if each not in posts), *posts[:1]]
