"""The forward of a layer with its gate: what the anchors mean, and the gate's splices put there."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syntax.edits import Edit, apply, indented, lead, lines_of, source_of, spelled_out
from syntax.queries import last_name
from syntax.trees import function_in

from weave.anchors import (
    Found,
    Misfit,
    assigned_above,
    blocks,
    first_argument,
    fits,
    follow,
    parse,
    path_to,
    target_of,
)
from weave.gate import Site
from weave.place import Place
from weave.spliced import Spliced


INPUT, OUTPUT = "feed_forward_input", "feed_forward_output"  # names for what a base leaves without one
_SITES = (
    Site.FEED_FORWARD_INPUT,
    Site.FEED_FORWARD_OUTPUT,
    Site.FEED_FORWARD_NORM,
    Site.RESIDUAL_INSIDE,
    Site.EXPERTS_INPUT,
    Site.EXPERTS_OUTPUT,
)
Splices = Mapping[Site, Spliced]


@dataclass(frozen=True)
class Woven:
    """A function with gates, and the lines of the base's statements that they stand before, from 1."""

    text: str
    lines: tuple[int, ...]


def splice(text: str, place: Place, splices: Splices) -> Woven:
    """Put a gate into a function where its anchors say. `text` is a function at the left margin. Raises Misfit."""
    function = function_in(text)
    if place.scales is None:
        raise Misfit("`scales` is not said")
    check_names(function, splices, _SITES)
    found = follow(function, place.reads, place.scales, place.into)
    lines = text.split("\n")
    edits = [edit for each in found for edit in _Block(text, lines, each, place, splices).edits()]
    return Woven("\n".join(apply(lines, edits)), tuple(each.block[each.reads].lineno for each in found))


def check_names(function: ast.FunctionDef, splices: Splices, sites: Iterable[Site]) -> None:
    """Refuse splices that assign a name which the function has for something else. Raises Misfit."""
    lines = {each.arg: function.lineno for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    lines |= {each.id: each.lineno for each in reversed([*ast.walk(function)]) if isinstance(each, ast.Name)}
    for each in (splices[site] for site in sites if site in splices):
        for name in each.own:
            if name in lines:
                message = f"the gate's `{each.name}` assigns `{name}`, and this forward has a `{name}` of its own"
                raise Misfit(message, lines[name])


class _Block:
    """The edits that put a gate into one block."""

    def __init__(self, text: str, lines: list[str], found: Found, place: Place, splices: Splices) -> None:
        self.text, self.lines, self.found, self.place, self.splices = text, lines, found, place, splices
        self.start, self.end = found.block[found.reads], found.block[found.scales]
        self.indent = self.start.col_offset

    def edits(self) -> list[Edit]:
        """All edits of the block, none overlapping another. Raises Misfit."""
        source, prepared, changes = self._input()
        site = Site.EXPERTS_INPUT if Site.EXPERTS_INPUT in self.splices else Site.FEED_FORWARD_INPUT
        score = [*prepared, *self._splice(site, hidden_states=self._viewed(source))]
        if self.place.adds:
            return [self._start(score, prepared, self._inside())]
        if self.place.into:
            return [self._start(score, prepared, self._own(self.start, changes)), self._scaled_before()]
        if self._is_summand():
            return self._hoisted(score, prepared, changes)
        name = target_of(self.end)
        if name is None:
            raise Misfit(f"what `{self.place.scales}` gives is not assigned to a name", self.end.lineno)
        scale = self._scale(name, name, self.end if self.end is not self.start else None)
        if self.end is self.start:
            return [self._start(score, prepared, [*self._own(self.start, changes), *scale])]
        last = self.end.end_lineno or self.end.lineno
        return [self._start(score, prepared, self._own(self.start, changes)), Edit(last, last, tuple(scale))]

    def _input(self) -> tuple[str, list[str], dict[ast.expr, str]]:
        """The name of what the part is given; where it has none, a statement that gives it one."""
        given = [first_argument(each) for each in self.found.calls]
        if len({ast.dump(each) for each in given}) > 1:
            raise Misfit(f"the calls of `{self.place.reads}` are given different inputs", self.start.lineno)
        if isinstance(given[0], ast.Name):
            self._check_same(self.start, self.found.calls, given[0].id)
            return given[0].id, [], {}
        if not isinstance(self.start, ast.Assign | ast.AugAssign | ast.Return | ast.Expr | ast.AnnAssign):
            raise Misfit("the input of the part has no name and stands inside a block", given[0].lineno)
        prepared = f"{INPUT} = {source_of(self.text, given[0])}"
        return INPUT, list(indented(prepared, self.indent)), dict.fromkeys(given, INPUT)

    def _check_same(self, statement: ast.stmt, nodes: Iterable[ast.expr], name: str) -> None:
        """What stands before a whole block means the same as inside it."""
        for node in nodes:
            changed = assigned_above(statement, node, name)
            if changed is not None:
                raise Misfit(f"`{name}` is assigned inside the block that the gate would stand before", changed.lineno)

    def _viewed(self, source: str) -> str:
        if self.place.normed:
            return f"{self.place.normed}({source})"
        return f"{source}.view({self.place.tokens})" if self.place.tokens else source

    def _start(self, score: list[str], prepared: list[str], own: list[str]) -> Edit:
        """The gate before the statement it reads the input of: where a blank line was, above its comments."""
        first = lead(self.lines, self.start)
        above = self.lines[first : self.start.lineno - 1]
        if prepared:
            new = [*above, *score, *own]
        else:
            blank = [""] if any(not line.strip() for line in above) else []
            new = [*blank, *score, *(line for line in above if line.strip()), *own]
        return Edit(first, self.start.end_lineno or self.start.lineno, tuple(new))

    def _own(self, statement: ast.stmt, changes: Mapping[ast.expr, str]) -> list[str]:
        """The lines of a statement, with what has got a name."""
        return lines_of(self.text, statement, changes)

    def _is_summand(self) -> bool:
        """Whether the call of `scales` is added to something in its own statement."""
        if next(blocks(self.end), None) is None:
            return _is_added(self.end, self.found.target)
        for each in fits(self.end, self.place.scales or ""):
            block, place = path_to(self.end, each)[-1]
            if isinstance(block[place], ast.AugAssign):  # of another sum in a block, all may be the part's own
                raise Misfit(f"`{self.place.scales}` is added to what is there already", each.lineno)
        return False

    def _hoisted(self, score: list[str], prepared: list[str], changes: Mapping[ast.expr, str]) -> list[Edit]:
        """`x = x + self.mlp(y)` as two statements: what is added gets a name."""
        call = source_of(self.text, self.found.target, changes)
        output = indented(f"{OUTPUT} = {call}", self.indent)
        rest = lines_of(self.text, self.end, {self.found.target: OUTPUT})
        parts = [*output, *self._scale(OUTPUT, OUTPUT, None), *rest]
        if self.end is self.start:
            return [self._start(score, prepared, parts)]
        return [
            self._start(score, prepared, self._own(self.start, changes)),
            Edit(self.end.lineno - 1, self.end.end_lineno or self.end.lineno, tuple(parts)),
        ]

    def _scaled_before(self) -> Edit:
        """The scale before the statement of `into`, behind the one above it."""
        scaled = parse(self.place.scales or "")
        wanted = ast.dump(scaled)
        if not any(ast.dump(each) == wanted for each in ast.walk(self.found.target)):
            raise Misfit(f"`{self.place.scales}` is not in `{self.place.into}`", self.found.target.lineno)
        self._check_same(self.end, [self.found.target], _root(scaled))
        above = self.found.block[self.found.scales - 1]
        scale = self._scale(_root(scaled), ast.unparse(scaled), above if above is not self.start else None)
        place = lead(self.lines, self.end)
        return Edit(place, place, tuple(scale))

    def _scale(self, name: str, value: str, behind: ast.stmt | None) -> list[str]:
        """The statements that scale; `behind` is the one that they stand behind, where that is not the part itself."""
        norm = behind is not None and not isinstance(behind, ast.If) and _asks_a_norm(behind)
        site = Site.FEED_FORWARD_NORM if norm and Site.FEED_FORWARD_NORM in self.splices else Site.FEED_FORWARD_OUTPUT
        site = Site.EXPERTS_OUTPUT if Site.EXPERTS_OUTPUT in self.splices else site
        ratio = {each: f"{each}.view(-1, 1)" for each in self._handed(site)} if self.place.tokens else {}
        return self._splice(site, output=value, _root={"output": name}, **ratio)

    def _handed(self, site: Site) -> list[str]:
        """What other splices assign for this one."""
        return [each for each in self.splices[site].parameters if each != "output"] if site in self.splices else []

    def _inside(self) -> list[str]:
        """The part in two branches, where it adds the residual itself: with a zero in its place, and as it is."""
        [call] = self.found.calls
        assert isinstance(call, ast.Call)
        wanted = ast.dump(parse(self.place.adds or ""))
        handed = next((each for each in call.args if ast.dump(each) == wanted), None)
        if handed is None:
            raise Misfit(f"`{self.place.adds}` is not an argument of `{ast.unparse(call)}`", call.lineno)
        name = target_of(self.start)
        if name is None:
            raise Misfit(f"what `{self.place.reads}` gives is not assigned to a name", self.start.lineno)
        nothing = f"torch.zeros_like({self.place.adds})"
        added, whole = source_of(self.text, call, {handed: nothing}), source_of(self.text, call)
        return self._splice(Site.RESIDUAL_INSIDE, output=name, residual=self.place.adds, added=added, whole=whole)

    def _splice(self, site: Site, _root: Mapping[str, str] | None = None, **meanings: str | None) -> list[str]:
        if site not in self.splices:
            if site is Site.FEED_FORWARD_INPUT:
                return []  # a kind may only scale
            raise Misfit(f"this kind of gate has no splice for `{site}`", self.start.lineno)
        known = {name: text for name, text in meanings.items() if text is not None}
        text = spelled_out(self.splices[site].text, known, _root or {})
        if self.place.when and site in (Site.EXPERTS_INPUT, Site.EXPERTS_OUTPUT):
            return [*indented(f"if {self._gate()} is not None:", self.indent), *indented(text, self.indent + 4)]
        return list(indented(text, self.indent))

    def _gate(self) -> str:
        """What a layer calls its gate: what its constructor assigns."""
        [made] = (each for each in self.splices[Site.LAYER].body if isinstance(each, ast.Assign))
        return ast.unparse(made.targets[0])


def _asks_a_norm(statement: ast.stmt) -> bool:
    """Whether a statement names a norm, in whatever casing."""
    words = (word for node in ast.walk(statement) for word in (last_name(node), getattr(node, "arg", None) or ""))
    return any("norm" in word.lower() for word in words)


def _is_added(statement: ast.stmt, call: ast.expr) -> bool:
    """Whether a statement adds a call to something, or takes it away: `x + f(y)`, `x += f(y)`."""
    sums = (each for each in ast.walk(statement) if isinstance(each, ast.BinOp | ast.AugAssign))
    return any(call in ast.walk(each) for each in sums if isinstance(each.op, ast.Add | ast.Sub))


def _root(expression: ast.expr) -> str:
    """The name that an expression is made of: `x` of `x.view(shape)`."""
    while not isinstance(expression, ast.Name):
        inner = expression.func if isinstance(expression, ast.Call) else getattr(expression, "value", None)
        if not isinstance(inner, ast.expr):
            raise Misfit(f"`{ast.unparse(expression)}` is not made of one name")
        expression = inner
    return expression.id
