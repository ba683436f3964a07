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
    line = cst.ensure_type(module.body[0], cst.SimpleStatementLine)
    assignment = cst.ensure_type(line.body[0], cst.Assign)
    call = cst.ensure_type(assignment.value, cst.Call)
    arguments, names = [], 0
    for argument in call.args:
        if isinstance(argument.value, cst.Dict):
            kept = [each for each in argument.value.elements if _names(each, belongs)]
            names += len(kept)
            if not kept:
                continue
            argument = argument.with_changes(value=argument.value.with_changes(elements=kept))
        arguments.append(argument)
    if not names:
        return ""
    arguments[-1] = arguments[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    line = line.with_changes(body=[assignment.with_changes(value=call.with_changes(args=arguments))])
    return statement.lead + module.with_changes(body=[line]).code


def _names(entry: cst.BaseDictElement, belongs: Callable[[str], bool]) -> bool:
    """Whether an entry of the table is of a name that belongs."""
    key = entry.key if isinstance(entry, cst.DictElement) else None
    return isinstance(key, cst.SimpleString) and belongs(str(key.evaluated_value))
