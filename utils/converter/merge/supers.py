"""Calls that name a base explicitly become `super()` calls once the class stands alone."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst


def call_super(method: cst.FunctionDef, bases: Sequence[str]) -> cst.FunctionDef:
    """Turn `Base.m(self, ...)` into `super().m(...)` for each base that survives the merge."""
    names = set(bases)
    if "GradientCheckpointingLayer" in names:
        names.add("nn.Module")
    if any("PreTrainedModel" in base for base in names):
        names.add("PreTrainedModel")
    return method.visit(_CallSuper(names))


def is_self(argument: cst.Arg) -> bool:
    """Whether the argument is `self` or `cls`."""
    return isinstance(argument.value, cst.Name) and argument.value.value in ("self", "cls")


class _CallSuper(cst.CSTTransformer):
    def __init__(self, bases: set[str]) -> None:
        super().__init__()
        self._bases = bases

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        match updated_node:
            case cst.Call(func=cst.Attribute(value=cst.Name() | cst.Attribute() as base) as function, args=args):
                if cst.Module([]).code_for_node(base) in self._bases:
                    call = cst.Call(func=cst.Name("super"))
                    rest = [each for each in args if not is_self(each)]
                    return updated_node.with_changes(func=function.with_changes(value=call), args=rest)
        return updated_node
