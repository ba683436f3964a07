"""Definitions without what is of another form, and with what this form has instead of it: text to text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import libcst as cst

from weave.docstrings import without_entries


Definition = cst.ClassDef | cst.FunctionDef
Statement = cst.BaseStatement | cst.BaseSmallStatement
Removed = cst.RemovalSentinel
Item = TypeVar("Item", cst.Arg, cst.BaseElement)


def without(text: str, names: Collection[str]) -> str:
    """A text without some names: their definitions, parameters, arguments, attributes, entries in docstrings and lists.

    A branch that asks for one of them goes as a whole, and so does a statement that calls one.
    """
    if not any(name in text for name in names):
        return text
    return cst.parse_module(text).visit(_Without(frozenset(names))).code


def left_over(text: str, names: Collection[str]) -> set[str]:
    """Which of these names code still has."""
    return _words(cst.parse_module(text)) & set(names)


def instead(text: str, other: str) -> str:
    """A text with what another defines under the same name in place of its own: of classes, single members."""
    theirs = _definitions(cst.parse_module(other).body)
    return cst.parse_module(text).visit(_Instead(theirs)).code if theirs else text


class _Without(cst.CSTTransformer):
    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.names = names

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> Definition | Removed:
        return self._kept(updated_node)

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> Definition | Removed:
        return self._kept(updated_node)

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | Removed:
        for each in original_node.body:
            target = each.targets[0].target if isinstance(each, cst.Assign) else getattr(each, "target", None)
            called = each.value.func if isinstance(each, cst.Expr) and isinstance(each.value, cst.Call) else None
            if self._is_one(target) or self._is_one(called):
                return cst.RemoveFromParent()
        return updated_node

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If | Removed:
        asks = bool(_words(original_node.test) & self.names)
        return cst.RemoveFromParent() if asks and original_node.orelse is None else updated_node

    def leave_Param(self, original_node: cst.Param, updated_node: cst.Param) -> cst.Param | Removed:
        return cst.RemoveFromParent() if self._is_one(original_node.name) else updated_node

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg | Removed:
        gone = self._is_one(original_node.keyword) or self._is_one(original_node.value)
        return cst.RemoveFromParent() if gone else updated_node

    def leave_Element(self, original_node: cst.Element, updated_node: cst.Element) -> cst.Element | Removed:
        return cst.RemoveFromParent() if self._is_listed(original_node.value) else updated_node

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        return updated_node.with_changes(args=_closed(original_node.args, updated_node.args))

    def leave_Set(self, original_node: cst.Set, updated_node: cst.Set) -> cst.Set:
        return updated_node.with_changes(elements=_closed(original_node.elements, updated_node.elements))

    def leave_List(self, original_node: cst.List, updated_node: cst.List) -> cst.List:
        return updated_node.with_changes(elements=_closed(original_node.elements, updated_node.elements))

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | Removed:
        aliases = original_node.names if isinstance(original_node.names, Sequence) else ()
        kept = [each for each in aliases if each.evaluated_name not in self.names]
        if len(kept) == len(aliases):
            return updated_node
        last = [kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)] if kept else []
        return updated_node.with_changes(names=[*kept[:-1], *last]) if kept else cst.RemoveFromParent()

    def leave_SimpleString(self, original_node: cst.SimpleString, updated_node: cst.SimpleString) -> cst.SimpleString:
        if original_node.quote not in ('"""', "'''"):
            return updated_node
        quote, said = original_node.quote, original_node.raw_value
        text = without_entries(said, self.names, brief=True)
        first = "\n" if said.startswith("\n") and text != said else ""
        return updated_node.with_changes(value=f"{original_node.prefix}{quote}{first}{text}{quote}")

    def _kept(self, node: Definition) -> Definition | Removed:
        return cst.RemoveFromParent() if node.name.value in self.names else node

    def _is_one(self, node: cst.CSTNode | None) -> bool:
        """Whether an expression is one of the names, or an attribute called so."""
        name = node.attr if isinstance(node, cst.Attribute) else node
        return isinstance(name, cst.Name) and name.value in self.names

    def _is_listed(self, node: cst.BaseExpression) -> bool:
        return self._is_one(node) or (isinstance(node, cst.SimpleString) and node.raw_value in self.names)


def _closed(old: Sequence[Item], new: Sequence[Item]) -> Sequence[Item]:
    """Items without the comma that the last one has only because another stood behind it."""
    if len(old) == len(new) or not new or isinstance(old[-1].comma, cst.Comma):
        return new
    kept = list(new[:-1])
    kept.append(new[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT))
    return kept


class _Instead(cst.CSTTransformer):
    """Puts definitions in the place of those at module level that have their names."""

    def __init__(self, theirs: Mapping[str, Statement]) -> None:
        super().__init__()
        self.theirs = theirs

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        return updated_node.with_changes(body=[self._replaced(each) for each in updated_node.body])

    def _replaced(self, own: Statement) -> Statement:
        other = self.theirs.get(_name(own) or "")
        if isinstance(own, cst.ClassDef) and isinstance(other, cst.ClassDef):
            members = _definitions(other.body.body)
            kept = [members.pop(_name(each) or "", each) for each in own.body.body]
            return own.with_changes(body=own.body.with_changes(body=[*kept, *members.values()]))
        return other if other is not None else own


def _definitions(body: Collection[Statement]) -> dict[str, Statement]:
    return {name: each for each in body if (name := _name(each))}


def _words(node: cst.CSTNode) -> set[str]:
    """The names in an expression. (`libcst.matchers` would say it shorter; its import takes as long as a conversion.)"""
    inner = set().union(*(_words(each) for each in node.children))
    return inner | {node.value} if isinstance(node, cst.Name) else inner


def _name(node: Statement) -> str | None:
    """What a statement defines."""
    if isinstance(node, cst.ClassDef | cst.FunctionDef):
        return node.name.value
    if isinstance(node, cst.SimpleStatementLine):
        [each, *_] = node.body
        target = each.targets[0].target if isinstance(each, cst.Assign) else getattr(each, "target", None)
        return target.value if isinstance(target, cst.Name) else None
    return None
