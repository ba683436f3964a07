"""Layers whose feed-forward part is a method, run in chunks, with the residual added in another class."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from syntax.edits import Edit, apply, indented, lead, lines_of, source_of, spelled_out
from syntax.queries import callee
from syntax.trees import function_in, tree_of

from weave.anchors import CHUNKS, Misfit, first_argument, fits, parse, path_to
from weave.forwarding import add_argument, add_parameter, with_name
from weave.gate import Site
from weave.place import Place, Scaled
from weave.splice import Splices


@dataclass(frozen=True)
class Handing:
    """The texts of such a layer with a gate, each at the left margin."""

    forward: str
    line: int  # of the forward, where the gate stands
    chunk: str  # the method that hands the ratio on; empty where the forward itself does


@dataclass(frozen=True)
class _Names:
    """What the splices of a gate call the ratio that is handed on, and when it is."""

    ratio: str
    condition: str  # "" where it always is

    @classmethod
    def of(cls, splices: Splices) -> _Names:
        scale, handed = splices[Site.FEED_FORWARD_OUTPUT], splices[Site.HANDED_OUTPUT]
        [ratio] = (each for each in handed.parameters if each != "output")
        branch = scale.body[0] if len(scale.body) == 1 else None
        return cls(ratio, ast.unparse(branch.test) if isinstance(branch, ast.If) else "")


def hand(forward: str, chunk: str, place: Place, splices: Splices) -> Handing:
    """A layer's forward, and the method that it runs in chunks, with the ratio handed to the class that adds.

    Args:
        forward: the text of the layer's forward, at the left margin.
        chunk: the text of the method that `reads` names.
        place: the anchors.
        splices: what the kind of gate puts at each site.

    Raises:
        Misfit: `reads` is not run in chunks once, or on nothing; the part does not call
            `normed`; or `hands` is not called once.
    """
    names, reads = _Names.of(splices), place.reads
    function = function_in(forward)
    calls = [each for each in fits(function, reads) if isinstance(each, ast.Call) and callee(each) == CHUNKS]
    if len(calls) != 1:
        raise Misfit(f"`{reads}` is run by {CHUNKS} {len(calls)} times, and not once", function.lineno)
    [call] = calls
    block, number = path_to(function, call)[-1]
    start, given = block[number], first_argument(call)
    if place.normed:
        _check_normed(chunk, place.normed)
    source = source_of(forward, given)
    read = f"{place.normed}({source})" if place.normed else source
    inside = len(fits(tree_of(chunk), place.hands or ""))
    outside = len(fits(function, place.hands or ""))
    if inside + outside != 1:
        raise Misfit(f"`{place.hands}` is called {inside + outside} times, and not once", function.lineno)
    score = spelled_out(splices[Site.FEED_FORWARD_INPUT].text, {"hidden_states": read}, {})
    run = _branches(forward, start, call, reads, names) if inside else "\n".join(_dedented(forward, start))
    lines = forward.split("\n")
    first = lead(lines, start)
    above = lines[first : start.lineno - 1]
    blank = [""] if any(not line.strip() for line in above) else []
    new = (*blank, *indented(score, start.col_offset), *indented(run, start.col_offset))
    text = "\n".join(apply(lines, [Edit(first, start.end_lineno or start.lineno, new)]))
    if outside:
        ratio = f"{names.ratio} if {names.condition} else None" if names.condition else names.ratio
        text = add_argument(text, {place.hands or ""}, ratio)
    return Handing(text, start.lineno, _handing_chunk(chunk, place, names) if inside else "")


def scale_handed(forward: str, scaled: Scaled, splices: Splices) -> str:
    """The forward of the class that adds the residual, with the ratio on what it adds. Raises Misfit."""
    names = _Names.of(splices)
    function = function_in(forward)
    found = fits(function, scaled.into)
    if len(found) != 1:
        raise Misfit(f"`{scaled.into}` fits {len(found)} times", function.lineno)
    wanted = ast.dump(parse(scaled.name))
    if not any(ast.dump(each) == wanted for each in ast.walk(found[0])):
        raise Misfit(f"`{scaled.name}` is not in `{scaled.into}`", found[0].lineno)
    block, number = path_to(function, found[0])[-1]
    statement = block[number]
    lines = forward.split("\n")
    scale = spelled_out(splices[Site.HANDED_OUTPUT].text, {"output": scaled.name}, {})
    place = lead(lines, statement)
    text = "\n".join(apply(lines, [Edit(place, place, indented(scale, statement.col_offset))]))
    return add_parameter(text, f"{names.ratio}: torch.Tensor | None = None")


def _check_normed(chunk: str, normed: str) -> None:
    """The module of the input's norm is one that the part itself uses."""
    if normed.count(".") == 1 and not fits(tree_of(chunk), normed):
        raise Misfit(f"the part does not call `{normed}`")


def _branches(forward: str, start: ast.stmt, call: ast.Call, reads: str, names: _Names) -> str:
    """The statement that runs the chunks in two branches, of which one gives them the ratio as well."""
    last = source_of(forward, call.args[-1])
    scaled = {call.args[0]: _scaled_name(reads), call.args[-1]: f"{last}, {names.ratio}"}
    plain = _joined(lines_of(forward, start))
    more = _joined(lines_of(forward, start, scaled))
    return f"if {names.condition}:\n    {more}\nelse:\n    {plain}" if names.condition else more


def _handing_chunk(chunk: str, place: Place, names: _Names) -> str:
    """The method that takes the ratio as well: chunks take as many tensors as the method has parameters."""
    text = with_name(chunk, _scaled_name(place.reads.rpartition(".")[2]))
    text = add_parameter(text, f"{names.ratio}: torch.Tensor")
    return add_argument(text, {place.hands or ""}, names.ratio)


def _scaled_name(name: str) -> str:
    owner, dot, method = name.rpartition(".")
    return f"{owner}{dot}scaled_{method}"


def _joined(lines: list[str]) -> str:
    """A statement on one line, without the comments in it."""
    return ast.unparse(tree_of("\n".join(lines).strip()))


def _dedented(text: str, statement: ast.stmt) -> list[str]:
    return [line[statement.col_offset :] for line in lines_of(text, statement)]
