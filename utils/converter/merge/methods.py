"""The delta's method + the parent's method of the same name -> one method. The only room that edits trees."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from converter.merge.bodies import docstring_of, has_docstring, unroll_super, without_docstring
from converter.merge.signature import merge_parameters
from converter.merge.supers import call_super


_WRAPPER = "class _:\n"


def merge_method(parent_text: str, delta_text: str, bases: Sequence[str], carried: dict) -> str:
    """Decorators, docstring, return annotation and parameters the delta leaves out come from the parent."""
    parent, delta = parse_method(parent_text), parse_method(delta_text)
    decorators = delta.decorators or parent.decorators
    if len(decorators) == 1 and cst.Module([]).code_for_node(decorators[0]).strip() == "@no_inherit_decorator":
        decorators = ()
    merged = delta.with_changes(
        decorators=decorators,
        params=merge_parameters(parent.params, delta.params),
        returns=delta.returns or parent.returns,
        body=unroll_super(parent, delta, carried),
    )
    if docstring_of(parent) and not has_docstring(merged):
        merged = merged.with_changes(
            body=merged.body.with_changes(body=(docstring_of(parent), *merged.body.body))
        )
    return print_method(call_super(merged, bases))


def clean_method(delta_text: str, bases: Sequence[str]) -> str:
    """A method that only the delta has."""
    if not any(f"{base}." in delta_text for base in (*bases, "nn.Module", "PreTrainedModel")):
        return delta_text
    return print_method(call_super(parse_method(delta_text), bases))


def parse_method(text: str) -> cst.FunctionDef:
    """Parse a method that is indented as in its class."""
    method = cst.parse_module(_WRAPPER + text).body[0].body.body[0]
    assert isinstance(method, cst.FunctionDef)
    return method


def print_method(method: cst.FunctionDef) -> str:
    """Print a method indented as in its class."""
    wrapper = cst.ClassDef(cst.Name("_"), cst.IndentedBlock([method]))
    return cst.Module([wrapper]).code.removeprefix(_WRAPPER)
