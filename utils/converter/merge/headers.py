"""The header of the parent's method + that of the delta's: parameters and return annotation."""

from __future__ import annotations

import libcst as cst
from syntax.scan import closing_colon


_BODY = ": ..."
_SPLICE = "super_kwargs"


def merge_headers(parent: str, delta: str) -> str:
    """The delta's `def` line, with the parent's return annotation and, at ``**super_kwargs``, its parameters."""
    (theirs, _), (mine, tail) = _split(parent), _split(delta)
    inherits_return = "->" not in mine and "->" in theirs
    if _SPLICE not in mine and not inherits_return:
        return delta
    parent_node, delta_node = _parse(theirs), _parse(mine)
    merged = delta_node.with_changes(
        params=merge_parameters(parent_node.params, delta_node.params),
        returns=delta_node.returns or parent_node.returns,
    )
    indent = mine[: len(mine) - len(mine.lstrip())]
    return indent + cst.Module([]).code_for_node(merged).rpartition(_BODY)[0] + tail


def _split(header: str) -> tuple[str, str]:
    """The header up to its colon, and the rest."""
    colon = closing_colon(header, 0)
    return header[:colon], header[colon:]


def _parse(head: str) -> cst.FunctionDef:
    function = cst.parse_statement(f"{head.strip()}{_BODY}\n")
    assert isinstance(function, cst.FunctionDef)
    return function


def merge_parameters(parent: cst.Parameters, delta: cst.Parameters) -> cst.Parameters:
    """Splice the parent's parameters in where the delta says ``**super_kwargs``.

    parent   def forward(self, x, mask=None, **kwargs)
    delta    def forward(self, mask=True, scale=1.0, *, debug=False, **super_kwargs)
    result   def forward(self, x, mask=True, scale=1.0, *, debug=False, **kwargs)
    """
    if delta.star_kwarg is None or delta.star_kwarg.name.value != _SPLICE:
        return delta
    positional = {each.name.value: each for each in delta.params}
    keyword_only = {each.name.value: each for each in delta.kwonly_params}
    mine = positional | keyword_only
    theirs = {each.name.value for each in (*parent.params, *parent.kwonly_params)}
    params = [mine.get(each.name.value, each) for each in parent.params]
    params += [each for name, each in positional.items() if name not in theirs]
    kwonly = [mine.get(each.name.value, each) for each in parent.kwonly_params]
    kwonly += [each for name, each in keyword_only.items() if name not in theirs]
    # One without a default cannot follow one that has it.
    params.sort(key=lambda each: each.default is not None)
    return parent.with_changes(params=params, kwonly_params=kwonly)  # libcst writes the star
