"""A feed-forward part in a method that is run in chunks, with the residual added by the class of another module.

layer_output = apply_chunking_to_forward(self.feed_forward_chunk, ..., attention_output)

def feed_forward_chunk(self, attention_output):
    intermediate_output = self.intermediate(attention_output)
    return self.output(intermediate_output, attention_output)
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from syntax.modules import Function, Module
from syntax.queries import assigned_calls, assigns, callee, dotted, is_self, last_name
from weave.anchors import fits, path_to
from weave.place import Place, Scaled

from scaffold.sites.fit import called
from scaffold.sites.joins import Joins
from scaffold.sites.syntax import calls_in, given, part_of, sums
from scaffold.sites.values import Found, NoPlace


@dataclass(frozen=True, slots=True)
class _Chunked:
    module: Module
    layer: ast.ClassDef
    forward: Function
    run: ast.Call  # of apply_chunking_to_forward
    method: Function


def find_chunk(module: Module, layer: ast.ClassDef, names: frozenset[str]) -> Found | None:
    """The places in the layer and in the class that adds the residual; None for layers that run nothing in chunks.

    Raises NoPlace.
    """
    forward = module.method(layer, "forward")
    runs = [call for call in calls_in(forward) if called(call) is not call.func] if forward else []
    if not runs:
        return None
    if len(runs) > 1:
        raise NoPlace(runs[1].lineno, f"{layer.name} runs its feed-forward part in chunks at {len(runs)} places")
    [run] = runs
    handed = run.args[0]
    method = module.method(layer, handed.attr) if is_self(handed) else None
    if forward is None or method is None or len(method.args.args) != 2:
        raise NoPlace(run.lineno, f"`{ast.unparse(run.args[0])}` is not a method of {layer.name} with one argument")
    chunked = _Chunked(module, layer, forward, run, method)
    hands, adder = _adder(chunked)
    scaled = _scaled(module, adder)
    place = Place(ast.unparse(run.args[0]), hands=hands, normed=_norm(chunked, hands))
    block, index = path_to(forward, run)[-1]
    return Found({adder.name: scaled, layer.name: place}, (block[index].lineno,))


def _adder(chunked: _Chunked) -> tuple[str, ast.ClassDef]:
    """The module that is given what the part returns and the residual: how it is called, and its class."""
    joins = Joins(chunked.module, chunked.layer)
    behind = [call for call in calls_in(chunked.forward) if call.lineno > chunked.run.lineno]
    for calls in (calls_in(chunked.method), behind):
        found = [call for call in calls if is_self(call.func) and len(joins.added(call)) > 1]
        owner = joins.class_of(part_of(found[0])) if found else None
        if len(found) > 1:
            raise NoPlace(found[1].lineno, "several modules add the result to a residual")
        if owner:
            return ast.unparse(found[0].func), owner
    message = f"neither `{chunked.method.name}` nor forward adds the result to a residual through a module"
    raise NoPlace(chunked.run.lineno, message)


def _scaled(module: Module, adder: ast.ClassDef) -> Scaled:
    """What the class that adds the residual scales: the side of its sum that is no argument beside the first."""
    forward = module.method(adder, "forward")
    if forward is None:
        raise NoPlace(adder.lineno, f"{adder.name} has no forward")
    residuals = {each.arg for each in forward.args.args[2:]}
    for each in sums(forward):
        sides = [side.id if isinstance(side, ast.Name) else None for side in (each.left, each.right)]
        others = [side for side in sides if side not in residuals]
        if len(others) == 1 and others[0] is not None:
            into = ast.unparse(each)
            if len(fits(forward, into)) != 1:
                raise NoPlace(each.lineno, f"`{into}` stands several times in {adder.name}")
            return Scaled(others[0], into)
    raise NoPlace(forward.lineno, f"{adder.name} has no sum of what it made and its argument")


def _norm(chunked: _Chunked, hands: str) -> str | None:
    """How the input is normalised inside the part: by a module of the layer, or by the first of the part's own."""
    module, layer, method = chunked.module, chunked.layer, chunked.method
    for call in _calls_on(method, method.args.args[1].arg):
        if callee(call) == hands:
            continue
        if _is_norm(module, layer, call):
            return ast.unparse(call.func)
        owner = Joins(module, layer).class_of(part_of(call))
        forward = module.method(owner, "forward") if owner else None
        for inner in _calls_on(forward, forward.args.args[1].arg) if forward else ():
            if owner and _is_norm(module, owner, inner):
                return f"{ast.unparse(call.func)}.{last_name(inner.func)}"
    return None


def _calls_on(function: Function, name: str) -> Iterator[ast.Call]:
    """The calls of modules that are given a name first, before it is assigned anew."""
    for statement in function.body:
        for call in calls_in(statement):
            if is_self(call.func) and dotted(given(call)) == name:
                yield call
        if isinstance(statement, ast.Assign) and assigns(statement, name):
            return


def _is_norm(module: Module, owner: ast.ClassDef, call: ast.Call) -> bool:
    """Whether a call is of a module of a class, made of something called a norm."""
    made = [one for each in module.lineage(owner) for one in assigned_calls(module.own_method(each, "__init__"))]
    kinds = [last_name(built.func) for name, built, _ in made if name == part_of(call)]
    return any(kind.lower().endswith("norm") for kind in kinds)
