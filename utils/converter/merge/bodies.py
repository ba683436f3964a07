"""Weave the parent's body into the delta's where the delta calls `super()`."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst


_EMPTY = cst.Module([])


def code_of(node: cst.CSTNode) -> str:
    """The code of a node as it stands alone."""
    return _EMPTY.code_for_node(node)


def is_docstring(statement: cst.BaseStatement) -> bool:
    """Whether the statement is a lone string."""
    match statement:
        case cst.SimpleStatementLine(body=[cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString())]):
            return True
    return False


def docstring_of(method: cst.FunctionDef) -> cst.BaseStatement | None:
    """The docstring statement of a method."""
    first = method.body.body[0] if method.body.body else None
    return first if first is not None and is_docstring(first) else None


def has_docstring(method: cst.FunctionDef) -> bool:
    """Whether the method opens with a docstring."""
    return docstring_of(method) is not None


def without_docstring(body: Sequence[cst.BaseStatement]) -> Sequence[cst.BaseStatement]:
    """The statements below the docstring."""
    return body[1:] if body and is_docstring(body[0]) else body


def super_call_of(statement: cst.BaseStatement) -> str | None:
    """The method `m` of a whole statement `super().m(...)` or `return super().m(...)`."""
    match statement:
        case cst.SimpleStatementLine(
            body=[
                cst.Expr(value=cst.Call(func=cst.Attribute(value=cst.Call(func=cst.Name("super")), attr=cst.Name(name))))
                | cst.Return(
                    value=cst.Call(func=cst.Attribute(value=cst.Call(func=cst.Name("super")), attr=cst.Name(name)))
                )
            ]
        ):
            return name
    return None


def unroll_super(parent: cst.FunctionDef, delta: cst.FunctionDef, carried: dict) -> cst.BaseSuite:
    """The delta's body with the parent's in the place of its `super()` call."""
    name = delta.name.value
    statements = delta.body.body
    place = next((i for i, each in enumerate(statements) if super_call_of(each) == name), None)
    if place is None or not isinstance(parent.body, cst.IndentedBlock):
        return delta.body
    before, after = statements[:place], statements[place + 1 :]
    inherited = without_docstring(parent.body.body)
    woven = _weave(list(inherited), after, carried)
    merged = [*before, *woven]
    merged = _restore_super_init(merged, bool(before), inherited)
    return delta.body.with_changes(body=_post_init_last(merged))


def _targets(statement: cst.BaseStatement) -> str | None:
    match statement:
        case cst.SimpleStatementLine(body=[cst.Assign(targets=targets)]):
            return "=".join(code_of(each.target) for each in targets)
        case cst.SimpleStatementLine(body=[cst.AnnAssign(target=target)]):
            return code_of(target)
    return None


def _bare(statement: cst.BaseStatement) -> str:
    """The code of a statement without the comments around it."""
    if isinstance(statement, cst.SimpleStatementLine):
        statement = statement.with_changes(leading_lines=(), trailing_whitespace=cst.TrailingWhitespace())
    elif hasattr(statement, "leading_lines"):
        statement = statement.with_changes(leading_lines=())
    return code_of(statement).strip()


def _weave(
    inherited: list[cst.BaseStatement], later: Sequence[cst.BaseStatement], carried: dict[str, cst.BaseStatement]
) -> list[cst.BaseStatement]:
    removed = set(filter(None, map(_deleted, later)))
    for statement in later:
        target = _targets(statement)
        if target is not None:
            carried[target] = statement
    woven = [carried.get(_targets(each), each) for each in inherited if _targets(each) not in removed]
    present = set(map(_bare, woven))
    for statement in later:
        if _deleted(statement) or _bare(statement) in present:
            continue
        woven.append(statement)
    return woven


def _deleted(statement: cst.BaseStatement) -> str | None:
    match statement:
        case cst.SimpleStatementLine(body=[cst.Del(target=target)]):
            return code_of(target)
    return None


def _restore_super_init(
    merged: list[cst.BaseStatement], moved: bool, inherited: Sequence[cst.BaseStatement]
) -> list[cst.BaseStatement]:
    if not moved or not inherited or super_call_of(inherited[0]) != "__init__":
        return merged
    place = next(i for i, each in enumerate(merged) if super_call_of(each) == "__init__")
    call = merged.pop(place)
    start = 1 if is_docstring(merged[0]) else 0
    return [*merged[:start], call, *merged[start:]]


def _post_init_last(statements: list[cst.BaseStatement]) -> list[cst.BaseStatement]:
    posts = [each for each in statements if _bare(each) == "self.post_init()"]
    return [*(each for each in statements if each not in posts), *posts[:1]]
