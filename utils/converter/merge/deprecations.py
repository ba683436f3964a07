"""A module-level `__getattr__ = deprecate_attr(...)`, split among the files of the classes it names."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from converter.index import Statement


def deprecations_of(statement: Statement, belongs: Callable[[str], bool]) -> str:
    """The statement with only those deprecated names that `belongs` accepts; empty where none is left.

    __getattr__ = deprecate_attr(__name__, rename={"FooProcessorKwargs": (ProcessingKwargs, "5.29.0")})
    """
    module = cst.parse_module(statement.text)
    assignment = module.body[0].body[0]
    call = assignment.value
    arguments, names = [], 0
    for argument in call.args:
        if isinstance(argument.value, cst.Dict):
            kept = [each for each in argument.value.elements if belongs(each.key.evaluated_value)]
            names += len(kept)
            if not kept:
                continue
            argument = argument.with_changes(value=argument.value.with_changes(elements=kept))
        arguments.append(argument)
    if not names:
        return ""
    arguments[-1] = arguments[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    line = module.body[0].with_changes(body=[assignment.with_changes(value=call.with_changes(args=arguments))])
    return statement.lead + module.with_changes(body=[line]).code
