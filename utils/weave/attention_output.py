"""Attention whose output projection is given what a gate has scaled."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from syntax.edits import Edit, apply, indented, lead, lines_of, source_of, spelled_out
from syntax.trees import function_in

from weave.anchors import Misfit, exclusive, first_argument, fits, path_to
from weave.gate import Site
from weave.place import Feeds
from weave.splice import Splices, Woven, check_names
from weave.spliced import Spliced


INPUT, OUTPUT = "attention_input", "attention_output"  # names for what a base leaves without one, or uses again
_HEADS, _WIDTH = "config.num_attention_heads", "config.hidden_size"


def constructed(spliced: Spliced, place: Feeds) -> str:
    """What the constructor of an attention class does for its gate, with what its place says."""
    meanings = {"projection": place.feeds, "heads": place.heads or _HEADS, "width": place.width or _WIDTH}
    return spelled_out(spliced.text, meanings, {})


def feed(text: str, place: Feeds, splices: Splices) -> Woven:
    """Put a gate on what the projection is given. `text` is a forward at the left margin. Raises Misfit."""
    function = function_in(text)
    check_names(function, splices, (Site.ATTENTION_OUTPUT,))
    calls = fits(function, place.feeds)
    if not calls:
        raise Misfit(f"no call of `{place.feeds}` in it", function.lineno)
    if not exclusive(function, [path_to(function, each) for each in calls]):
        raise Misfit(f"`{place.feeds}` fits {len(calls)} times", calls[1].lineno)
    given = _input(function)
    changes_later = _is_assigned_before(function, given, calls[-1])
    source = INPUT if changes_later else given
    lines = text.split("\n")
    edits = [_edit(text, lines, function, call, source, splices) for call in calls]
    if changes_later:
        first = _first_statement(function)
        edits.insert(0, Edit(first.lineno - 1, first.lineno - 1, indented(f"{INPUT} = {given}", first.col_offset)))
    return Woven("\n".join(apply(lines, edits)), tuple(_statement(function, call).lineno for call in calls))


def _input(function: ast.FunctionDef) -> str:
    """What attention is given first."""
    own = function.args.args[1:]
    if not own:
        raise Misfit("it takes no argument that a gate could read", function.lineno)
    return own[0].arg


def _statement(function: ast.FunctionDef, node: ast.expr) -> ast.stmt:
    block, place = path_to(function, node)[-1]
    return block[place]


def _first_statement(function: ast.FunctionDef) -> ast.stmt:
    first, *rest = function.body
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return rest[0] if is_docstring and rest else first


def _is_assigned_before(function: ast.FunctionDef, name: str, call: ast.expr) -> bool:
    """Whether a function gives its argument another value above a call."""
    names = (each for each in ast.walk(function) if isinstance(each, ast.Name) and each.id == name)
    return any(isinstance(each.ctx, ast.Store) and each.lineno <= call.lineno for each in names)


def _edit(
    text: str, lines: list[str], function: ast.FunctionDef, call: ast.expr, source: str, splices: Splices
) -> Edit:
    """The gate before the statement of one call, which is given its output."""
    statement, given = _statement(function, call), first_argument(call)
    _check_once(function, statement, call)
    changes: Mapping[ast.expr, str] = {}
    prepared, name = "", given.id if isinstance(given, ast.Name) else OUTPUT
    if not isinstance(given, ast.Name):
        prepared, changes = f"{OUTPUT} = {source_of(text, given)}\n", {given: OUTPUT}
    gate = spelled_out(splices[Site.ATTENTION_OUTPUT].text, {"output": name, "hidden_states": source}, {})
    place = lead(lines, statement)
    above = lines[place : statement.lineno - 1]
    own = lines_of(text, statement, changes)
    return Edit(
        place,
        statement.end_lineno or statement.lineno,
        (*above, *indented(prepared + gate, statement.col_offset), *own),
    )


def _check_once(function: ast.FunctionDef, statement: ast.stmt, call: ast.expr) -> None:
    """A projection is called once on a path, in a statement of its own, and not in a loop."""
    if not isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr):
        raise Misfit("the projection is called where no statement could stand before it", call.lineno)
    inside = [each for each in ast.walk(function) if isinstance(each, ast.For | ast.While | ast.FunctionDef)]
    if any(call in ast.walk(each) for each in inside if each is not function):
        raise Misfit("the projection is called in a loop, or in a function of its own", call.lineno)
