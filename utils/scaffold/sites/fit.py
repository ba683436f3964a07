"""What anchors say in a forward: they are followed here as a weave follows them (docs/weaving.md)."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from syntax.modules import Placed
from syntax.queries import form, same
from weave.anchors import CHUNKS, fits, parse, path_to, target_of
from weave.place import Place

from scaffold.sites.syntax import Block, contains, exclusive, given, is_simple, sums
from scaffold.sites.values import NoPlace


Position = tuple[int, int]  # line and column of a statement


@dataclass(frozen=True, slots=True)
class Spot:
    """One gate in a forward: what it is given and what is scaled, told by the statements of the base around it."""

    score: Position  # the score stands before this statement
    given: str
    scale: Position  # the scale stands behind this one
    scaled: str  # a name; with `hoisted`, a call in a sum, which gets a name first
    hoisted: bool = False
    adds: str | None = None  # the argument of the call that is the residual


def fit(forward: ast.FunctionDef, place: Place) -> tuple[Spot, ...]:
    """The gates that a place makes in a forward, in the order of the text.

    Raises NoPlace where an anchor fits nothing, or twice on one path.
    """
    found = [each for each in fits(forward, place.reads) if isinstance(each, ast.Call)]
    if not found:
        raise NoPlace(forward.lineno, f"`{place.reads}` fits nothing")
    if not exclusive(forward, found):
        raise NoPlace(found[1].lineno, f"`{place.reads}` fits {len(found)} times")
    spots: dict[Spot, None] = {}  # a gate before an `if` is met once for each branch
    for call in found:
        spots[_spot(forward, call, place)] = None
    return tuple(spots)


def called(call: ast.Call) -> ast.expr:
    """What a call runs: of one in chunks, the method that is handed to it."""
    in_chunks = isinstance(call.func, ast.Name) and call.func.id == CHUNKS and call.args
    return call.args[0] if in_chunks else call.func


def argument(call: ast.Call) -> ast.expr | None:
    """What a call gives to what it runs, first."""
    return call.args[-1] if called(call) is not call.func else given(call)


def position(node: Placed) -> Position:
    """Where a node begins."""
    return node.lineno, node.col_offset


def _spot(forward: ast.FunctionDef, call: ast.Call, place: Place) -> Spot:
    block, first, last = _block(forward, call, place)
    start, end = block[first], block[last]
    score, source = position(start), _source(start, call, place)
    if place.into:
        _check_inside(end, place)
        return Spot(score, source, position(block[last - 1]), _scales(place))
    if place.adds:
        if not any(same(each, parse(place.adds)) for each in [*call.args, *(word.value for word in call.keywords)]):
            raise NoPlace(call.lineno, f"`{place.adds}` is not an argument of `{place.reads}`")
        return Spot(score, source, position(end), _named(end, place), adds=place.adds)
    summands = [
        hit for hit in fits(end, _scales(place)) if is_simple(end) and any(contains(each, hit) for each in sums(end))
    ]
    scaled = ast.unparse(summands[0]) if summands else _named(end, place)
    return Spot(score, source, position(end), scaled, hoisted=bool(summands))


def _block(forward: ast.FunctionDef, call: ast.Call, place: Place) -> tuple[Block, int, int]:
    """The first block around a call with a fit behind it: the block, the call's statement, the fit's statement."""
    anchor = place.into or _scales(place)
    for block, first in reversed(path_to(forward, call)):
        behind = range(first + bool(place.into), len(block))
        found = [index for index in behind if fits(block[index], anchor)]
        if len(found) > 1 or any(not exclusive(forward, fits(block[index], anchor)) for index in found):
            raise NoPlace(block[found[-1]].lineno, f"`{anchor}` fits more than once behind `{place.reads}`")
        if found:
            return block, first, found[0]
    raise NoPlace(call.lineno, f"`{anchor}` fits nothing behind `{place.reads}`")


def _source(start: ast.stmt, call: ast.Call, place: Place) -> str:
    """What the gate is given, which all calls in its statement are given."""
    calls = (each for each in fits(start, place.reads) if isinstance(each, ast.Call))
    sources = {form(each): ast.unparse(each) for hit in calls if (each := argument(hit)) is not None}
    if len(sources) != 1:
        raise NoPlace(start.lineno, "the branches give the feed-forward part different inputs")
    if not is_simple(start) and not isinstance(argument(call), ast.Name):
        raise NoPlace(call.lineno, "what the feed-forward part is given has no name, and is made inside a block")
    return next(iter(sources.values()))


def _scales(place: Place) -> str:
    """What a place scales: all that this package finds say it, save for a part that runs in chunks."""
    assert place.scales is not None
    return place.scales


def _named(statement: ast.stmt, place: Place) -> str:
    name = target_of(statement)
    if name is None:
        raise NoPlace(statement.lineno, f"what `{place.scales}` returns is not assigned to a name")
    return name


def _check_inside(statement: ast.stmt, place: Place) -> None:
    wanted = parse(_scales(place))
    if not any(same(each, wanted) for hit in fits(statement, place.into or "") for each in ast.walk(hit)):
        raise NoPlace(statement.lineno, f"`{place.scales}` is not in `{place.into}`")
