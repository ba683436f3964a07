"""Forwards of models and heads as their callers see them: the inputs that a gate adds, by name, and what is returned."""

from __future__ import annotations

import ast
from collections.abc import Mapping

import libcst as cst
from syntax.modules import Function

from weave.docstrings import described, entry_names, without_entries
from weave.documented import input_entries
from weave.form import Form
from weave.kinds import GateKind
from weave.outermost import Outermost


def inputs_of(kind: GateKind, role: str, forward: Function) -> tuple[str, ...]:
    """What a kind has callers of a class in this role give besides the base's arguments: "name: type = default" each.

    As keyword-only parameters of the forward that its role decorates. What the base's own forward names is none of them.
    """
    module, node = kind.role(role)
    own = module.own_method(node, "forward")
    given = zip(own.args.kwonlyargs, own.args.kw_defaults) if own else ()
    taken = {each.arg for each in (*forward.args.args, *forward.args.kwonlyargs)}
    return tuple(_parameter(each, default) for each, default in given if each.arg not in taken)


def returned_of(kind: GateKind, output: str) -> str:
    """What forwards are annotated to return instead of their base's output; upstream that is documented, and has to be."""
    return output if kind.form is Form.UPSTREAM and kind.output_fields else ""


def spelled_out(text: str, inputs: tuple[str, ...], returned: str) -> str:
    """A forward, at the left margin, that names some inputs after all others, and the class of what it returns."""
    function = cst.parse_statement(f"def f({', '.join(['*', *inputs]) if inputs else ''}): pass")
    assert isinstance(function, cst.FunctionDef)
    parameters = tuple(function.params.kwonly_params)
    returns = cst.Annotation(cst.parse_expression(returned)) if returned else None
    return cst.parse_module(text).visit(_Header(parameters, returns)).code


def with_inputs(said: str, kind: GateKind, inputs: tuple[str, ...]) -> str:
    """A documentation at the left margin with entries for inputs, as the kind's constant describes them."""
    names = {each.partition(":")[0] for each in inputs} - set(entry_names(said))
    added = without_entries(input_entries(kind), set(entry_names(input_entries(kind))) - names)
    return described(said, added) if added else said


def header(inputs: tuple[str, ...], returned: str) -> Mapping[str, str]:
    """The parts of the header of a forward that takes its base's parameters by `**super_kwargs`."""
    return {"inputs": "".join(f", {each}" for each in ("*", *inputs)) if inputs else "", "returns": returned}


def _parameter(each: ast.arg, default: ast.expr | None) -> str:
    annotation = f": {ast.unparse(each.annotation)}" if each.annotation else ""
    return each.arg + annotation + (f" = {ast.unparse(default)}" if default else "")


class _Header(Outermost):
    """Adds keyword-only parameters, and replaces the return annotation."""

    def __init__(self, added: tuple[cst.Param, ...], returns: cst.Annotation | None) -> None:
        super().__init__()
        self.added, self.returns = added, returns

    def change(self, function: cst.FunctionDef) -> cst.FunctionDef:
        own = function.params
        star = own.star_arg
        if self.added and not isinstance(star, cst.Param | cst.ParamStar):
            star = cst.ParamStar()
        params = own.with_changes(kwonly_params=[*own.kwonly_params, *self.added], star_arg=star)
        return function.with_changes(params=params, returns=self.returns or function.returns)
