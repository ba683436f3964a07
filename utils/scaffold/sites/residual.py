"""Where what a feed-forward part returns joins the residual: the gate is asked before the part, and scales just before that."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scaffold.modules import Module
from scaffold.sites.fit import UNNAMED, Spot, position
from scaffold.sites.joins import Joins
from scaffold.sites.syntax import (
    Block,
    assigned_by,
    blocks,
    calls_in,
    contains,
    given,
    is_simple,
    part_calls,
    reads,
    sums,
    target_of,
)
from scaffold.sites.values import NoPlace


@dataclass(frozen=True, slots=True)
class Part:
    """A feed-forward part in a block of a forward, from its first call up to the residual."""

    spot: Spot
    openers: tuple[ast.Call, ...]  # the calls that may run first
    calls: tuple[ast.Call, ...]  # all calls of it
    end: ast.stmt  # the statement that the scale stands behind
    residual: ast.stmt  # the statement that adds the residual
    tokens: str | None  # the name of the shape before the hidden states were made one batch of tokens


def find_parts(
    module: Module, layer: ast.ClassDef, forward: ast.FunctionDef, names: frozenset[str]
) -> tuple[Part, ...]:
    """The feed-forward parts of a forward; several only where branches have one each. Raises NoPlace."""
    parts = tuple(_Search(Joins(module, layer), names).parts(forward))
    if not parts:
        listed = " or ".join(f"self.{name}" for name in sorted(names)) or "a feed-forward part"
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

    def parts(self, tree: ast.AST) -> Iterator[Part]:
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

    def part(self, block: Block, first: int) -> Part:
        """The part that begins at a statement of a block. Raises NoPlace."""
        start = block[first]
        openers = tuple(self.openers(start))
        source = _source(start, openers)
        here = part_calls(start, self.names)
        residual = self.residual_inside(openers[0])
        if residual:
            spot = Spot(position(start), source, position(start), _assigned(start), adds=residual)
            return Part(spot, openers, tuple(here), start, start, None)
        after = block[first + 1 :]
        if self.adds_at_once(start, openers[0]):
            spot = Spot(position(start), source, position(start), UNNAMED, hoisted=True)
            return Part(spot, openers, tuple(here), start, start, None)
        place, output, chain = self.residual(after, _assigned(start))
        end = [start, *after][place]
        spot = Spot(position(start), source, position(end), _as_added(after[place], output))
        calls = [*here, *(call for each in chain for call in part_calls(each, self.names))]
        return Part(spot, openers, tuple(calls), end, after[place], _flattened(block[:first]))

    def openers(self, statement: ast.stmt) -> Iterator[ast.Call]:
        """The calls of the part that may run first in a statement: one, or one in each branch."""
        if is_simple(statement):
            yield from part_calls(statement, self.names)[:1]
            return
        for block in blocks(statement):
            opening = [each for each in block if part_calls(each, self.names)]
            yield from self.openers(opening[0]) if opening else ()

    def residual_inside(self, call: ast.Call) -> str | None:
        """The argument of a call that what it runs adds to its own result."""
        added = [each for each in self.joins.added(call) if each is not given(call)]
        return ast.unparse(added[0]) if added else None

    def adds_at_once(self, statement: ast.stmt, call: ast.Call) -> bool:
        """Whether the statement that calls the part adds its result to something else at once."""
        return is_simple(statement) and any(
            contains(each, call) and not part_calls(_other_side(each, call), self.names) for each in sums(statement)
        )

    def residual(self, after: Sequence[ast.stmt], output: str) -> tuple[int, str, list[ast.stmt]]:
        """Where the output is added to a residual, the name that it has by then, and the statements that made it."""
        chain = []
        for place, each in enumerate(after):
            if not reads(each, output):
                continue
            if isinstance(each, ast.Return) or _reshapes(each) or self.adds_residual(each, output):
                return place, output, chain
            chain.append(each)
            output = assigned_by(each) or output
        line = after[0].lineno if after else 0
        raise NoPlace(line, "no later statement adds what the feed-forward part returns to a residual")

    def adds_residual(self, statement: ast.stmt, output: str) -> bool:
        """Whether a statement adds the output and something that is not of the feed-forward part."""
        for each in sums(statement):
            read = [reads(side, output) for side in (each.left, each.right)]
            if read.count(True) == 1 and not part_calls(each, self.names):
                return True
        for each in ast.walk(statement):
            if isinstance(each, ast.AugAssign) and isinstance(each.op, ast.Add):
                if reads(each.value, output) != reads(each.target, output):
                    return True
        added = (each for call in calls_in(statement) for each in self.joins.added(call))
        return any(reads(each, output) for each in added)


def _source(start: ast.stmt, openers: Sequence[ast.Call]) -> str:
    inputs = [given(call) for call in openers]
    if None in inputs:
        raise NoPlace(start.lineno, "the feed-forward part is given nothing")
    if len({ast.unparse(each) for each in inputs}) != 1:
        raise NoPlace(start.lineno, "the branches give the feed-forward part different inputs")
    return ast.unparse(inputs[0])


def _assigned(start: ast.stmt) -> str:
    target = target_of(start) or assigned_by(start)
    if target is None:
        raise NoPlace(start.lineno, "what the feed-forward part returns is not assigned to a name")
    return target


def _other_side(addition: ast.BinOp, call: ast.Call) -> ast.expr:
    return addition.right if contains(addition.left, call) else addition.left


def _reshapes(statement: ast.stmt) -> bool:
    """Whether a statement gives a result another shape, which a ratio for each token no longer fits."""
    return any(isinstance(each.func, ast.Attribute) and each.func.attr == "unsqueeze" for each in calls_in(statement))


def _as_added(residual: ast.stmt, output: str) -> str:
    """The output as the residual is added to it, in the shape that it then has: `hidden_states.view(residual.shape)`."""
    for each in calls_in(residual):
        if isinstance(each.func, ast.Attribute) and each.func.attr in ("view", "reshape"):
            of_output = isinstance(each.func.value, ast.Name) and each.func.value.id == output
            if of_output and not _is_flat(each):
                return ast.unparse(each)
    return output


def _flattened(before: Sequence[ast.stmt]) -> str | None:
    """The name of the shape that the hidden states had before a statement made them one batch of tokens."""
    flat = any(_is_flat(call) for each in before for call in calls_in(each))
    shapes = [name for each in before if _is_shape(each) and (name := target_of(each))]
    return shapes[-1] if flat and shapes else None


def _is_flat(call: ast.Call) -> bool:
    """Whether a call is `x.reshape(-1, x.size(-1))`: of two sizes, the first of which is what remains."""
    reshapes = isinstance(call.func, ast.Attribute) and call.func.attr in ("view", "reshape")
    return reshapes and len(call.args) == 2 and ast.unparse(call.args[0]) == "-1"


def _is_shape(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Assign) else None
    if isinstance(value, ast.Call) and not value.args:
        return isinstance(value.func, ast.Attribute) and value.func.attr == "size"
    return isinstance(value, ast.Attribute) and value.attr == "shape"
