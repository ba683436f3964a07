"""Forwards of heads as trees: what they call, what they weigh, what they mention."""

from __future__ import annotations

import ast
import re

from syntax.modules import Function, Module
from syntax.queries import callee, calls, root


def coefficient_of(forward: Function) -> str:
    """The attribute that weighs the load balancing loss: of `loss += self.name * aux_loss`, "name"; "" where none does."""
    for node in ast.walk(forward):
        match node:
            case ast.AugAssign(
                target=ast.Name(id="loss"),
                op=ast.Add(),
                value=ast.BinOp(
                    left=ast.Attribute(value=ast.Name(id="self"), attr=name), op=ast.Mult(), right=weighed
                ),
            ) if root(weighed) == "aux_loss":
                return name
    return ""


def mentions(tree: ast.AST, word: str) -> bool:
    """Whether a name, an attribute, an argument or a text in a tree is a word, or has it in it."""
    for node in ast.walk(tree):
        said = [getattr(node, name, None) for name in ("id", "attr", "arg", "name")]
        if word in said or (isinstance(node, ast.Constant) and re.search(rf"\b{word}\b", str(node.value))):
            return True
    return False


def calls_of(forward: Function, called: str) -> list[ast.Call]:
    """The calls of "self.model" in a forward."""
    return [call for call in calls(forward) if callee(call) == called]


def rest_of(forward: Function) -> str:
    """The name of a forward's `**kwargs`, also where it has none yet."""
    return forward.args.kwarg.arg if forward.args.kwarg else "kwargs"


def forward_of(module: Module, node: ast.ClassDef) -> Function:
    """The forward of a class. Raises ConversionError (`no-forward`) where it has none."""
    forward = module.method(node, "forward")
    if forward is None:
        raise module.refuse(node, "no-forward", f"{node.name} has no forward", "write this delta by hand")
    return forward
