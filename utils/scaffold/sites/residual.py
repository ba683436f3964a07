"""Where what a feed-forward part returns joins the residual: the gate is asked before the part, and scales just before that."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syntax.modules import Module
from syntax.queries import form
from weave.anchors import blocks, target_of

from scaffold.sites.fit import Spot, position
from scaffold.sites.flat import flattened
from scaffold.sites.joins import Joins
from scaffold.sites.syntax import Block, calls_in, contains, first_calls, given, is_simple, part_calls, reads, sums
from scaffold.sites.values import NoPlace


@dataclass(frozen=True, slots=True)
class FeedForwardPart:
    """A feed-forward part in a block of a forward, from its first call up to the residual."""

    spot: Spot
    openers: tuple[ast.Call, ...]  # the calls that may run first
    calls: tuple[ast.Call, ...]  # all calls of it
    end: ast.stmt  # the statement that the scale stands behind
    joining: tuple[ast.expr, ...] = ()  # the expressions behind it that add the residual, outermost first
    tokens: str | None = None  # the name of the shape before the hidden states were made one batch of tokens


def find_parts(
    module: Module, layer: ast.ClassDef, forward: ast.FunctionDef, names: frozenset[str]
) -> tuple[FeedForwardPart, ...]:
    """The feed-forward parts of a forward; several only where branches have one each.

    Args:
        module: the base's modeling file.
        layer: the class of a layer in it.
        forward: the layer's.
        names: the attributes that hold feed-forward parts, without "self.".

    Raises:
        NoPlace: no statement calls one of them, or one is called beside the parts that were found.
    """
    parts = tuple(_Search(Joins(module, layer), names).parts(forward))
    if not parts:
        listed = " or ".join(f"self.{name}" for name in sorted(names))
        raise NoPlace(forward.lineno, f"no statement calls {listed}")
    known = [call for part in parts for call in part.calls]
    for call in part_calls(forward, names):
        if not any(call is each for each in known):
            message = f"`{ast.unparse(call.func)}` is a feed-forward part beside `{ast.unparse(known[0].func)}`"
            raise NoPlace(call.lineno, message)
    return parts


@dataclass(frozen=True, slots=True)
class _Search:
    joins: Joins
    names: frozenset[str]

    def parts(self, tree: ast.AST) -> Iterator[FeedForwardPart]:
        """The parts of each outermost block that holds one up to its residual."""
        for block in blocks(tree):
            first = self.first(block)
            if first is not None:
                yield self.part(block, first)
                continue
            for statement in block:
                yield from self.parts(statement)

    def first(self, block: Block) -> int | None:
        """The first statement of a part that this block itself adds to its residual."""
        for place, each in enumerate(block):
            if part_calls(each, self.names):
                return place if is_simple(each) or not self.is_whole(each) else None
        return None

    def is_whole(self, statement: ast.stmt) -> bool:
        """Whether a block in a statement holds a part up to its residual."""
        try:
            return any(self.parts(statement))
        except NoPlace:
            return False

    def part(self, block: Block, first: int) -> FeedForwardPart:
        """The part that begins at a statement of a block. Raises NoPlace."""
        start, before, after = block[first], block[:first], block[first + 1 :]
        openers = tuple(first_calls(start, self.names))
        source, here = _source(start, openers), position(start)
        if residual := self.residual_inside(openers[0]):
            spot = Spot(here, source, here, _assigned(start), adds=residual)
            return FeedForwardPart(spot, openers, tuple(part_calls(start, self.names)), start)
        if summand := self.summand(start, openers[0]):
            spot = Spot(here, source, here, ast.unparse(summand), hoisted=True)
            return FeedForwardPart(spot, openers, tuple(part_calls(summand, self.names)), start)
        place, output, chain = self.residual(after, start, openers[0])
        end, joining = [start, *after][place], tuple(self.joining(after[place], output))
        spot = Spot(here, source, position(end), _as_added(after[place], output))
        calls = [call for each in (start, *chain) for call in part_calls(each, self.names)]
        return FeedForwardPart(spot, openers, tuple(calls), end, joining, flattened(before, source))

    def residual_inside(self, call: ast.Call) -> str | None:
        """The argument of a call that what it runs adds to its own result."""
        added = [each for each in self.joins.added(call) if each is not given(call)]
        return ast.unparse(added[0]) if added else None

    def summand(self, start: ast.stmt, call: ast.Call) -> ast.Call | None:
        """What the statement that calls the part adds to the residual at once: the outermost call around the part."""
        if not is_simple(start):
            return None
        if isinstance(start, ast.AugAssign) or self.adds_in_call(start, call):
            raise NoPlace(start.lineno, "what the feed-forward part returns is added to the residual where it is made")
        for each in reversed(sums(start)):
            side, other = (each.left, each.right) if contains(each.left, call) else (each.right, each.left)
            if contains(side, call) and _is_state(other) and not part_calls(other, self.names):
                return next(outer for outer in calls_in(side) if contains(outer, call))
        return None

    def adds_in_call(self, start: ast.stmt, call: ast.Call) -> bool:
        """Whether a call adds the result of another to something: `dropout_add(self.mlp(x), residual)`."""
        added = [each for outer in calls_in(start) if outer is not call for each in self.joins.added(outer)]
        return any(contains(each, call) for each in added)

    def residual(self, after: Sequence[ast.stmt], start: ast.stmt, call: ast.Call) -> tuple[int, str, list[ast.stmt]]:
        """Where the output is added to a residual, the name that it has by then, and the statements that made it."""
        chain: list[ast.stmt] = []
        output = _assigned(start)
        for place, each in enumerate(after):
            if not reads(each, output):
                continue
            ends = isinstance(each, ast.Return)
            if ends or _reshapes(each) or any(self.joining(each, output)) or self.adds_in_place(each, output):
                _check_name(each, output)
                if ends and not any(self.joining(each, output)) and self.joins.adds_its_input(call):
                    raise NoPlace(call.lineno, f"`{ast.unparse(call.func)}` adds its input to its result itself")
                return place, output, chain
            chain.append(each)
            output = target_of(each) or output
        raise NoPlace(start.lineno, "no later statement adds what the feed-forward part returns to a residual")

    def joining(self, statement: ast.stmt, output: str) -> Iterator[ast.expr]:
        """The expressions that add the output and something that is not of the feed-forward part."""
        for each in sums(statement):
            other = [side for side in (each.left, each.right) if not reads(side, output)]
            if len(other) == 1 and _is_state(other[0]) and not part_calls(each, self.names):
                yield each
        for call in calls_in(statement):
            if any(reads(each, output) for each in self.joins.added(call)):
                yield call

    def adds_in_place(self, statement: ast.stmt, output: str) -> bool:
        """Whether a statement is `output += residual`, or the other way round."""
        found = [
            each for each in ast.walk(statement) if isinstance(each, ast.AugAssign) and isinstance(each.op, ast.Add)
        ]
        return any(
            reads(each.value, output) != reads(each.target, output) and not part_calls(each.value, self.names)
            for each in found
        )


def _source(start: ast.stmt, openers: Sequence[ast.Call]) -> str:
    inputs = [each for call in openers if (each := given(call)) is not None]
    if len(inputs) < len(openers):
        raise NoPlace(start.lineno, "the feed-forward part is given nothing that has a name")
    if len(set(map(form, inputs))) != 1:
        raise NoPlace(start.lineno, "the branches give the feed-forward part different inputs")
    return ast.unparse(inputs[0])


def _assigned(start: ast.stmt) -> str:
    target = target_of(start)
    if target is None:
        raise NoPlace(start.lineno, "what the feed-forward part returns is not assigned to a name")
    return target


def _is_state(side: ast.expr) -> bool:
    """Whether one side of a sum may be a residual, and is not a bias or a constant."""
    return any(isinstance(each, ast.Name) and each.id != "self" for each in ast.walk(side))


def _reshapes(statement: ast.stmt) -> bool:
    """Whether a statement gives a result another shape, which a ratio for each token no longer fits."""
    return any(isinstance(each.func, ast.Attribute) and each.func.attr == "unsqueeze" for each in calls_in(statement))


def _as_added(residual: ast.stmt, output: str) -> str:
    """The output as the residual is added to it, in the shape that it then has: `hidden_states.view(residual.shape)`."""
    for each in calls_in(residual):
        if isinstance(each.func, ast.Attribute) and each.func.attr in ("view", "reshape"):
            if isinstance(each.func.value, ast.Name) and each.func.value.id == output:
                return ast.unparse(each)
    return output


def _check_name(statement: ast.stmt, output: str) -> None:
    for each in ast.walk(statement):
        if isinstance(each, ast.Subscript) and isinstance(each.value, ast.Name) and each.value.id == output:
            raise NoPlace(statement.lineno, f"`{ast.unparse(each)}`, what the feed-forward part returns, has no name")
