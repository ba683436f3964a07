"""Whether a forward runs layers more than once for a token: read off its loops, the slices it takes, and names for them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from syntax.modules import Function
from syntax.queries import dotted, is_self, last_name, names_in, same


Round = ast.For | ast.While | ast.comprehension
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_CALLED = ("forward", "__call__")
_AGAIN = ("cycle", "repeat")  # of itertools
_COUNTS = ("len", "range")


def run_again(function: Function, attribute: str) -> ast.expr | None:
    """The first place where a forward runs a part of its model, or a layer of a list of them, once more for the same tokens.

    A loop that takes another slice in each round (`self.layers[start:end]`, both of them from what the loop counts) runs each
    layer once, and so do branches that exclude each other. Slices that are written differently are believed to be different.
    """
    forward = _Forward(function, attribute)
    places = [run.call for run in forward.runs if forward.is_repeated(run)]
    for one, other in combinations(forward.runs, 2):
        if forward.overlap(one, other):
            places.append(other.call if one.call.lineno <= other.call.lineno else one.call)
    return min(places, key=lambda each: (each.lineno, each.col_offset), default=None)


@dataclass(frozen=True)
class _Run:
    """A call that runs layers."""

    call: ast.Call
    called: ast.expr  # what stands for them in it: `layer`
    part: ast.expr  # which: `self.layers`, `self.layers[a:b]`
    through: tuple[Round, ...]  # the loops that go through them


@dataclass(frozen=True)
class _Forward:
    """A method, and the attribute of `self` whose runs are counted in it."""

    function: Function
    attribute: str

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node."""
        return {inner: outer for outer in ast.walk(self.function) for inner in ast.iter_child_nodes(outer)}

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """What is assigned to a name, the last time: `loop = self.layers[a:b]`."""
        nodes = [each for each in ast.walk(self.function) if isinstance(each, ast.Assign | ast.NamedExpr)]
        pairs = ((each.targets[0] if isinstance(each, ast.Assign) else each.target, each.value) for each in nodes)
        return {target.id: value for target, value in pairs if isinstance(target, ast.Name)}

    @cached_property
    def runs(self) -> list[_Run]:
        """Each call that runs layers, once for each mention of them."""
        calls = sorted(
            (each for each in ast.walk(self.function) if isinstance(each, ast.Call)),
            key=lambda each: (each.lineno, each.col_offset),
        )
        found = []
        for call in calls:
            handed = [each for each in call.args if isinstance(each, ast.Attribute) and each.attr in _CALLED]
            for called in (call.func, *handed):
                if isinstance(called, ast.Attribute) and called.attr in _CALLED:
                    called = called.value
                if isinstance(called, ast.Name | ast.Subscript) or is_self(called):
                    found += [_Run(call, called, *meant) for meant in self.parts(called)]
        return found

    def is_repeated(self, run: _Run) -> bool:
        """Whether loops around a run, or what makes its list, have the same layers run in several rounds."""
        rounds = {id(each): each for node in (run.call, run.part) for each in self.rounds(node)}
        if any(each not in run.through and not self.chooses(each, run.part) for each in rounds.values()):
            return True
        around = list(self.above(run.part))
        statement = next(place for place, each in enumerate(around) if isinstance(each, ast.stmt))
        return any(
            isinstance(each, ast.BinOp)
            and isinstance(each.op, ast.Mult)
            or isinstance(each, ast.Call)
            and _name(each) in _AGAIN
            for each in around[:statement]
        )

    def overlap(self, one: _Run, other: _Run) -> bool:
        """Whether two runs are of the same layers, on one path through the method."""
        if one.through and one.through == other.through and ast.dump(one.called) != ast.dump(other.called):
            return False  # `for attention, feed_forward in self.layers`
        if not same(one.part, other.part) and not any(
            dotted(each.part) == f"self.{self.attribute}" for each in (one, other)
        ):
            return False
        nodes = (one.part, other.part) if one.call is other.call else (one.call, other.call)
        return not self.apart(*nodes)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What is around a node, nearest first."""
        while node is not self.function:
            node = self.parents[node]
            yield node

    def parts(
        self, tree: ast.AST, known: frozenset[ast.AST] = frozenset()
    ) -> Iterator[tuple[ast.expr, tuple[Round, ...]]]:
        """The mentions of the layers that an expression is made of, and the loops by which it comes to them.

        Neither what asks for their number nor what reads in them is one.
        """
        if is_self(tree):
            yield from [(tree, ())] if tree.attr == self.attribute else []
        elif isinstance(tree, ast.Subscript):
            yield from ((tree if is_self(part) else part, through) for part, through in self.parts(tree.value, known))
        elif isinstance(tree, ast.Name):
            yield from self._named(tree, known)
        elif isinstance(tree, ast.Call):
            inner = [*tree.args, *([tree.func.value] if isinstance(tree.func, ast.Attribute) else [])]
            yield from (each for one in inner if _name(tree) not in _COUNTS for each in self.parts(one, known))
        elif not isinstance(tree, ast.Attribute | ast.comprehension):
            for one in ast.iter_child_nodes(tree):
                yield from self.parts(one, known)

    def _named(self, name: ast.Name, known: frozenset[ast.AST]) -> Iterator[tuple[ast.expr, tuple[Round, ...]]]:
        loops = [each for each in self.rounds(name) if not isinstance(each, ast.While)]
        bound = next((each for each in loops if name.id in names_in(each.target)), None)
        origin = bound or self.assigned.get(name.id)
        if origin is None or origin in known:
            return
        for source in _sources(bound, name.id) if bound else [origin]:
            for part, through in self.parts(source, known | {origin}):
                yield part, (bound, *through) if bound else through

    def rounds(self, node: ast.AST) -> Iterator[Round]:
        """The loops that a node is inside of, nearest first; what a loop goes through is outside of it."""
        inner = node
        for outer in self.above(node):
            if (
                isinstance(outer, ast.For)
                and inner in outer.body
                or isinstance(outer, ast.While)
                and inner not in outer.orelse
            ):
                yield outer
            generators = getattr(outer, "generators", [])
            yield from reversed(generators[: generators.index(inner)] if inner in generators else generators)
            if isinstance(outer, ast.comprehension) and inner is not outer.iter:
                yield outer
            inner = outer

    def chooses(self, loop: Round, part: ast.expr) -> bool:
        """Whether each round of a loop takes layers of its own."""
        index = part.slice if isinstance(part, ast.Subscript) else None
        counters = self._counters(loop)
        if isinstance(index, ast.Slice) and index.step is None:
            return all(each is not None and names_in(each) & counters for each in (index.lower, index.upper))
        return index is not None and bool(names_in(index) & counters)

    def _counters(self, loop: Round) -> set[str]:
        """The names that have another value in each round: its targets, what is counted, and what follows from them."""
        found = names_in(loop.target) if not isinstance(loop, ast.While) else set()
        nodes = list(ast.walk(loop))
        found |= {
            node.target.id for node in nodes if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
        }
        pairs = [(names_in(each.targets[0]), names_in(each.value)) for each in nodes if isinstance(each, ast.Assign)]
        for targets, read in [pair for _ in pairs for pair in pairs]:
            found |= targets if read & (found | targets) else set()
        return found

    def apart(self, one: ast.AST, other: ast.AST) -> bool:
        """Whether no path through the method comes by both nodes."""
        paths = [[node, *self.above(node)][::-1] for node in (one, other)]
        depth = next((place for place, pair in enumerate(zip(*paths)) if pair[0] is not pair[1]), None)
        if depth is None:
            return False  # `layer(layer(x))`
        owner, sides = paths[0][depth - 1], [path[depth] for path in paths]
        if isinstance(owner, ast.If | ast.IfExp):
            return owner.test not in sides and _of_body(owner, sides[0]) != _of_body(owner, sides[1])
        return isinstance(owner, ast.Match) or any(_leaves(path[depth:]) for path in paths)


def _of_body(owner: ast.If | ast.IfExp, node: ast.AST) -> bool:
    return node in owner.body if isinstance(owner.body, list) else node is owner.body


def _leaves(path: list[ast.AST]) -> bool:
    """Whether nothing behind its outermost statement is reached from a node: its branch of an `if` ends with a return."""
    blocks = [block for outer in path if isinstance(outer, ast.If) for block in (outer.body, outer.orelse)]
    return any(isinstance(block[-1], _LEAVES) for block in blocks if any(each in path for each in block))


def _sources(loop: ast.For | ast.comprehension, name: str) -> Iterable[ast.expr]:
    """What a loop takes the values of a name from: of `for a, b in zip(x, y)` for `b` it is `y`."""
    target, source = loop.target, loop.iter
    if isinstance(source, ast.Call) and _name(source) == "enumerate" and isinstance(target, ast.Tuple):
        target, source = target.elts[-1], source.args[0]
    if isinstance(source, ast.Call) and _name(source) == "zip" and isinstance(target, ast.Tuple):
        return [given for each, given in zip(target.elts, source.args) if name in names_in(each)]
    return [source] if name in names_in(target) else []


def _name(call: ast.Call) -> str:
    return last_name(call.func)
