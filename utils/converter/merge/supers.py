"""Calls that name a base explicitly become `super()` calls once the class stands alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

import libcst as cst

from converter.quirks import included_in


_WRAPPER = "class _:\n    def _():\n"


def explicit_calls(bases: Sequence[str]) -> re.Pattern[str]:
    """Finds calls of a surviving base's methods in a text, `Base.m(`."""
    names = {*bases, *included_in(bases)}
    if any("PreTrainedModel" in base for base in names):
        names.add("PreTrainedModel")
    return re.compile(rf"(?<![\w.])({'|'.join(sorted(map(re.escape, names))) or '(?!)'})\.\w+\(")


def call_super(statement: str, calls: re.Pattern[str]) -> str:
    """Turn `Base.m(self, ...)` into `super().m(...)` in one statement of a method, indented as in its class."""
    bases = set(calls.findall(statement))
    if not bases:
        return statement
    return cst.parse_module(_WRAPPER + statement).visit(_CallSuper(bases)).code.removeprefix(_WRAPPER)


class _CallSuper(cst.CSTTransformer):
    def __init__(self, bases: set[str]) -> None:
        super().__init__()
        self._bases = bases

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        match updated_node:
            case cst.Call(func=cst.Attribute(value=cst.Name() | cst.Attribute() as base) as function, args=args):
                if cst.Module([]).code_for_node(base) in self._bases:
                    call = cst.Call(func=cst.Name("super"))
                    rest = [each for each in args if not _is_self(each)]
                    return updated_node.with_changes(func=function.with_changes(value=call), args=rest)
        return updated_node


def _is_self(argument: cst.Arg) -> bool:
    return isinstance(argument.value, cst.Name) and argument.value.value in ("self", "cls")
