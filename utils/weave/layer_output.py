"""Layers with a gate at their end, on what they return."""

from __future__ import annotations

import ast

from syntax.edits import Edit, apply, indented, lines_of, source_of, spelled_out
from syntax.modules import Function
from syntax.trees import function_in

from weave.anchors import Misfit, parse
from weave.gate import Site
from weave.place import NUMBER, Returns
from weave.splice import Splices, Woven, check_names
from weave.spliced import Spliced


_OUTPUT = "layer_output"  # a name for what a base leaves without one


def numbered(spliced: Spliced, place: Returns) -> str:
    """What the constructor of a layer does for its gate, which is told which layer it is."""
    return spelled_out(spliced.text, {"number": place.number or NUMBER}, {})


def at_the_end(text: str, place: Returns, splices: Splices) -> Woven:
    """Put a gate on what a forward returns. `text` is a function at the left margin. Raises Misfit."""
    function = function_in(text)
    check_names(function, splices, (Site.LAYER_OUTPUT,))
    output, last = returned(function)
    if ast.dump(output) != ast.dump(parse(place.returns)):
        raise Misfit(f"`{place.returns}` is not what it returns first, `{source_of(text, output)}` is", last.lineno)
    name, prepared, changes = _OUTPUT, f"{_OUTPUT} = {source_of(text, output)}\n", {output: _OUTPUT}
    if isinstance(output, ast.Name):
        name, prepared, changes = output.id, "", {}
    gate = spelled_out(splices[Site.LAYER_OUTPUT].text, {"output": name}, {})
    own = lines_of(text, last, changes)
    added = indented(prepared + gate, last.col_offset)
    lines = apply(text.split("\n"), [Edit(last.lineno - 1, last.end_lineno or last.lineno, (*added, *own))])
    return Woven("\n".join(lines), (last.lineno,))


def returned(function: Function) -> tuple[ast.expr, ast.Return]:
    """What a layer's forward returns first, and where. Raises Misfit where that is not once, at its end, and named."""
    last = function.body[-1]
    returns = [each for each in ast.walk(function) if isinstance(each, ast.Return)]
    if returns != [last]:
        first = min((each.lineno for each in returns), default=last.lineno)
        raise Misfit("it does not return once, at its end", first)
    assert isinstance(last, ast.Return)
    if last.value is None:
        raise Misfit("it returns nothing", last.lineno)
    output = first_returned(last.value)
    if isinstance(output, ast.Name):
        _check_is_states(function, output)
    return output, last


def first_returned(value: ast.expr) -> ast.expr:
    """What a layer's output is of all that it returns: of a tuple its first item, of `(x,) + rest` that of the tuple."""
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add) and _is_tuple(value.left):
        value = value.left
    return value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value


def _is_tuple(value: ast.expr) -> bool:
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        value = value.left
    return isinstance(value, ast.Tuple)


def _check_is_states(function: Function, output: ast.Name) -> None:
    """What is returned is no tuple that was put together above."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == output.id:
            if _is_tuple(node.value):
                raise Misfit(f"`{output.id}` is a tuple, whose first item has no name where it returns", node.lineno)
