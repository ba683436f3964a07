"""Layers that hold one of several kinds of module under one name, of which some are feed-forward networks."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from scaffold.gate import ASK
from scaffold.modules import Module, is_self
from scaffold.plumbing import dedent_function


_FEED_FORWARD = re.compile(r"MLP|MoE|Moe|FeedForward|Experts")
_GATED = """\
if {ask} or self.scale_ffn:
    _, good_ratio = self.quality_gate({given})
{call}
if self.scale_ffn:
    {target} = good_ratio.to({target}.dtype) * {target}"""


@dataclass(frozen=True)
class Branched:
    """The forward of such a layer with a gate in the branch of its feed-forward networks."""

    forward: str  # at the left margin
    line: int  # of the forward, where the gate stands
    condition: str  # when the layer has a gate: 'self.kind not in ("mamba", "attention")'


def branched_layer(module: Module, node: ast.ClassDef) -> Branched | None:
    """The texts for a layer whose `if`s on its kind leave its feed-forward networks to an `else`; None for others."""
    forward = module.own_method(node, "forward")
    if forward is None or not _FEED_FORWARD.search(" ".join(module.classes)):
        return None
    for statement in forward.body:
        kinds, last = _kinds(statement)
        if kinds and len(last) == 1 and (call := _plain_call(last[0])):
            return _gated(module, forward, last[0], call, kinds)
    return None


def _kinds(statement: ast.stmt) -> tuple[list[ast.Compare], list[ast.stmt]]:
    """The comparisons of an `if` and its `elif`s, each of one attribute with a string, and the body of the `else`."""
    tests: list[ast.Compare] = []
    while isinstance(statement, ast.If) and _is_kind(statement.test):
        tests.append(statement.test)
        if len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
            statement = statement.orelse[0]
            continue
        return tests, statement.orelse
    return [], []


def _is_kind(test: ast.expr) -> bool:
    """Whether a test is `self.kind == "mamba"`."""
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq):
        return False
    return is_self(test.left) and isinstance(test.comparators[0], ast.Constant)


def _plain_call(statement: ast.stmt) -> ast.Call | None:
    """`x = self.mixer(x)`: a feed-forward network takes hidden states alone."""
    value = statement.value if isinstance(statement, ast.Assign) else None
    if not isinstance(value, ast.Call) or not is_self(value.func) or value.keywords or len(value.args) != 1:
        return None
    return value if isinstance(value.args[0], ast.Name) and isinstance(statement.targets[0], ast.Name) else None


def _gated(
    module: Module, forward: ast.FunctionDef, statement: ast.Assign, call: ast.Call, kinds: list[ast.Compare]
) -> Branched:
    lines = dedent_function(module, forward).split("\n")
    place = statement.lineno - forward.lineno
    indent = " " * (statement.col_offset - forward.col_offset)
    values = {"ask": ASK, "given": call.args[0].id, "target": statement.targets[0].id, "call": lines[place].strip()}
    lines[place : place + 1] = [indent + line for line in _GATED.format(**values).split("\n")]
    others = ", ".join(repr(each.comparators[0].value).replace("'", '"') for each in kinds)
    return Branched("\n".join(lines), place + 1, f"{ast.unparse(kinds[0].left)} not in ({others})")
