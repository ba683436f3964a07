"""Anchors followed in a function of a base: which calls and statements the expressions of a delta mean."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from syntax.queries import callee


CHUNKS = "apply_chunking_to_forward"  # of transformers: calls the method it is given with its last argument
Fits = Callable[[ast.AST], bool]
Path = list[tuple[list[ast.stmt], int]]  # the blocks that lead to a node, outermost first, and the place in each


class Misfit(Exception):
    """An anchor that fits nowhere, or more than once; `line` is that of the base's function it was looked for in."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Found:
    """One block of a function with a gate: what the anchors mean in it."""

    block: list[ast.stmt]
    reads: int  # the place of the statement with the call that the gate reads the input of
    calls: tuple[ast.expr, ...]  # those calls, all in that statement
    scales: int  # the place of the statement of `scales` or `into`
    target: ast.expr  # what fits `scales` or `into` in that statement

    @property
    def given(self) -> ast.expr:
        """What the calls are given first."""
        return first_argument(self.calls[0])


def follow(function: ast.FunctionDef, reads: str, scales: str, into: str | None) -> list[Found]:
    """The blocks of a function that a gate goes into.

    From the call that `reads` means outwards, the first block with a fit for `scales` (or `into`) at or behind it is the
    gate's. Fits in different branches of one `if`, or in one statement, count as one: each path through the function
    has one gate.

    Args:
        function: the forward of a layer, or another method.
        reads: the anchor of the call whose input the gate reads.
        scales: the anchor of the call whose result is scaled; unused with `into`.
        into: the anchor of an expression behind that call: the scale stands before its statement.

    Raises:
        Misfit: no fit, two on one path, or a call of `reads` in a loop or in a function inside.
    """
    calls = fits(function, reads)
    if not calls:
        raise Misfit(f"no call of `{reads}` in it", function.lineno)
    for call in calls:
        _check_runs_once(function, call, reads)
    paths = {id(call): path_to(function, call) for call in calls}
    if not exclusive(function, list(paths.values())):
        raise Misfit(f"`{reads}` fits {len(calls)} times", calls[1].lineno)
    found: list[Found] = []
    for call in calls:
        if not any(call in each.calls for each in found):
            found.append(_block(paths[id(call)], call, reads, scales, into))
    return found


def _block(path: Path, call: ast.expr, reads: str, scales: str, into: str | None) -> Found:
    wanted = into or scales
    for block, place in reversed(path):
        behind = range(place + 1 if into else place, len(block))
        targets = {each: fits(block[each], wanted) for each in behind}
        hits = [each for each in behind if targets[each]]
        if not hits:
            continue
        [first, *more] = hits
        if more:
            raise Misfit(f"`{wanted}` fits {len(hits)} times behind `{reads}`", block[more[0]].lineno)
        if not exclusive(block[first], [path_to(block[first], each) for each in targets[first]]):
            raise Misfit(f"`{wanted}` fits {len(targets[first])} times in one statement", block[first].lineno)
        return Found(block, place, tuple(fits(block[place], reads)), first, targets[first][0])
    raise Misfit(f"no `{wanted}` behind `{reads}`", call.lineno)


def fits(tree: ast.AST, anchor: str) -> list[ast.expr]:
    """What an anchor means in a tree, in the order of the text. Raises Misfit where the anchor is no expression."""
    matches = matcher(anchor)
    found = [each for each in ast.walk(tree) if isinstance(each, ast.expr) and matches(each)]
    return sorted(found, key=lambda each: (each.lineno, each.col_offset))


def matcher(anchor: str) -> Fits:
    """A callee matches its calls with any arguments, a call itself alone, and any other expression itself."""
    expression = parse(anchor)
    wanted = ast.dump(expression)

    def is_call_of(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return False
        handed = node.args[0] if callee(node) == CHUNKS and node.args else node.func
        return ast.dump(handed) == wanted

    if isinstance(expression, ast.Name | ast.Attribute | ast.Subscript):
        return is_call_of
    return lambda node: isinstance(node, ast.expr) and ast.dump(node) == wanted


@lru_cache(maxsize=256)
def parse(anchor: str) -> ast.expr:
    """The expression that an anchor is, however it is laid out: over several lines, with comments. Raises Misfit."""
    try:
        return ast.parse(anchor.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        pass
    try:  # in brackets lines may end anywhere; what closes them itself makes something else of them
        found = ast.parse(f"f(\n{anchor}\n)", mode="eval").body
    except (SyntaxError, ValueError):
        found = None
    match found:
        case ast.Call(func=ast.Name(id="f"), args=[inner], keywords=[]) if not isinstance(inner, ast.Starred):
            return inner
    raise Misfit(f"`{' '.join(anchor.split())}` is not one Python expression")


def first_argument(call: ast.expr) -> ast.expr:
    """What a call is given first; of one that runs a method in chunks, what that method is given.

    Raises Misfit where it is given nothing.
    """
    assert isinstance(call, ast.Call)
    if callee(call) == CHUNKS:
        return call.args[-1]
    values = [*call.args, *(each.value for each in call.keywords)]
    if not values:
        raise Misfit(f"`{ast.unparse(call)}` is given nothing that a gate could read", call.lineno)
    return values[0]


def path_to(tree: ast.AST, node: ast.AST) -> Path:
    """The blocks that lead from a tree to a node in it, outermost first, with the place of the statement in each."""
    for block in blocks(tree):
        for place, statement in enumerate(block):
            if any(each is node for each in ast.walk(statement)):
                return [(block, place), *path_to(statement, node)]
    return []


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The blocks of statements directly inside a node."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            yield block
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def target_of(statement: ast.stmt) -> str | None:
    """The name that a statement assigns: of a tuple the first, of an `if` the one that all its branches assign last."""
    if isinstance(statement, ast.If | ast.Match):
        last = {target_of(block[-1]) for block in blocks(statement)}
        return last.pop() if len(last) == 1 else None
    if isinstance(statement, ast.With):
        return target_of(statement.body[-1])
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        target = statement.target
    else:
        return None
    if isinstance(target, ast.Tuple) and target.elts:
        target = target.elts[0]
    return target.id if isinstance(target, ast.Name) else None


def assigned_above(statement: ast.stmt, node: ast.expr, name: str) -> ast.Name | None:
    """Where a compound statement gives a name another value above an expression in it: what the name means there."""
    above = (each for block, place in path_to(statement, node) for each in block[:place])
    names = (each for other in above for each in ast.walk(other) if isinstance(each, ast.Name))
    return next((each for each in names if each.id == name and isinstance(each.ctx, ast.Store)), None)


_REPEATING = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_ELSEWHERE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def _check_runs_once(function: ast.FunctionDef, call: ast.expr, reads: str) -> None:
    """A gate stands in the forward itself, and gives one score: its part is in no loop and in no function inside."""
    outer: ast.AST = function
    while outer is not call:
        inner = next(each for each in ast.iter_child_nodes(outer) if any(one is call for one in ast.walk(each)))
        first = outer.generators[0].iter if isinstance(outer, _REPEATING[3:]) else getattr(outer, "iter", None)
        if isinstance(outer, _REPEATING) and inner is not first:
            raise Misfit(f"`{reads}` stands in a loop: a layer would have several scores", call.lineno)
        if isinstance(outer, _ELSEWHERE) and outer is not function:
            raise Misfit(f"`{reads}` stands in a function of its own", call.lineno)
        outer = inner


def exclusive(owner: ast.AST, paths: Sequence[Path]) -> bool:
    """Whether nodes with these paths from an owner stand in different branches, or in one statement."""
    return all(_apart(owner, first, second) for number, first in enumerate(paths) for second in paths[:number])


def _apart(owner: ast.AST, first: Path, second: Path) -> bool:
    for (one, here), (other, there) in zip(first, second):
        if one is not other:  # both blocks of a `try` or a loop may run
            return isinstance(owner, ast.If | ast.Match)
        if here != there:
            return False
        owner = one[here]
    return True
