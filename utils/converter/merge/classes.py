"""Parent class + delta class -> one class that stands alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from converter.index import ClassParts, Statement
from converter.merge.methods import clean_method, merge_method
from converter.names import Casing, Rename


EMPTY_BODY = "    pass\n"


@dataclass(frozen=True, slots=True)
class ClassPair:
    """A delta class beside its parent, whose text is already renamed."""

    parent: ClassParts
    delta: ClassParts
    parent_name: str  # the parent as the delta names it, the base to drop
    casing: Casing


def merge_class(pair: ClassPair) -> str:
    """The text of the merged class."""
    pair = _named_like_child(pair)
    parent, delta = pair.parent, pair.delta
    bases = merge_bases(pair)
    carried: dict = {}
    methods = [
        ((mine or each).lead, _merged_method(pair, bases, mine, each, carried)) for mine, each in _paired_methods(pair)
    ]
    docstring = _one(delta.members, "docstring") or _one(parent.members, "docstring")
    attributes = [(each.lead, each.text) for each in _merged_attributes(pair)]
    body = "".join(
        lead + text for lead, text in [*([(docstring.lead, docstring.text)] if docstring else []), *attributes, *methods]
    )
    header = f"class {delta.name}({', '.join(bases)}):" if bases else f"class {delta.name}:"
    return f"{parent.lead}{_decorators(pair)}{header}{parent.header_comment}\n{body or EMPTY_BODY}{parent.footer}"


def _named_like_child(pair: ClassPair) -> ClassPair:
    """The parent's strings and comments speak of the child: `FooTextAttention` for `FooAttention`."""
    parent, child = pair.parent.name, pair.delta.name
    suffix = common_suffix(parent, child)
    old, new = parent.removesuffix(suffix), child.removesuffix(suffix)
    if parent == child or not old or not new:
        return pair
    rename = Rename(pair.casing.of_prefix(old), pair.casing.of_prefix(new))
    members = tuple(
        replace(each, lead=rename.words_about(each.lead), text=rename.words_about(each.text))
        for each in pair.parent.members
    )
    lead = rename.words_about(pair.parent.lead)
    decorators = rename.words_about(pair.parent.decorators)
    return replace(pair, parent=replace(pair.parent, lead=lead, decorators=decorators, members=members))


def _one(members: Sequence[Statement], kind: str) -> Statement | None:
    return next((each for each in members if each.kind == kind), None)


def _decorators(pair: ClassPair) -> str:
    chosen = pair.delta.decorators or pair.parent.decorators
    return "" if chosen.strip() == "@no_inherit_decorator" else chosen


def merge_bases(pair: ClassPair) -> list[str]:
    """The parent's bases; a base that the delta adds replaces the one it is named after, or is appended."""
    bases = list(pair.parent.bases)
    for added in pair.delta.bases:
        if added == pair.parent_name or added in bases:
            continue
        suffixes = re.findall(r"[A-Z][a-z]+", added)
        position = next((i for i, base in enumerate(bases) if _same_role(base, added)), None)
        if position is None or not suffixes:
            bases.append(added)
        else:
            bases[position] = added
    if "GradientCheckpointingLayer" in bases and "nn.Module" in bases:
        bases.remove("nn.Module")
    return bases


def _same_role(base: str, added: str) -> bool:
    suffix = common_suffix(base, added)
    return bool(re.match(r"[A-Z]", suffix))


def common_suffix(one: str, other: str) -> str:
    """The longest common suffix of two names."""
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return one[len(one) - length :]


def _merged_attributes(pair: ClassPair) -> Iterator[Statement]:
    mine = {each.names: each for each in pair.delta.members if each.kind == "assignment"}
    inherited = {each.names: each for each in pair.parent.members if each.kind == "assignment"}
    for names, each in inherited.items():
        chosen = mine.pop(names, each)
        if not is_removed_attribute(chosen):
            yield chosen
    yield from (each for each in mine.values() if not is_removed_attribute(each))


def is_removed_attribute(member: Statement) -> bool:
    """`name = AttributeError()`."""
    value = getattr(member.node, "value", None)
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "AttributeError"


def method_key(member: Statement) -> str:
    """Methods of one key replace each other: a getter and its setter do not."""
    for decorator in getattr(member.node, "decorator_list", ()):
        if isinstance(decorator, ast.Attribute) and decorator.attr in ("setter", "deleter"):
            return f"{member.names[0]}.{decorator.attr}"
    return member.names[0]


def is_removed_method(member: Statement) -> bool:
    """A method whose whole body raises an error."""
    body = [each for each in member.node.body if not _is_docstring(each)]
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return False
    raised = body[0].exc
    name = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(name, ast.Name) and name.id.endswith("Error")


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _paired_methods(pair: ClassPair) -> Iterator[tuple[Statement | None, Statement]]:
    """(the parent's method, the delta's) or (None, a method that only one of them has)."""
    mine = {method_key(each): each for each in pair.delta.members if each.kind == "function"}
    attributes = {name for each in pair.delta.members if each.kind == "assignment" for name in each.names}
    for each in pair.parent.members:
        if each.kind != "function" or each.names[0] in attributes:
            continue
        own = mine.pop(method_key(each), None)
        if own is None:
            yield None, each
        elif not (is_removed_method(own) and own.lead and not own.node.decorator_list):
            yield each, own
    yield from ((None, each) for each in mine.values())


def _merged_method(pair: ClassPair, bases: Sequence[str], parent: Statement | None, member: Statement, carried: dict) -> str:
    if parent is None:
        return clean_method(member.text, bases) if member in pair.delta.members else member.text
    return merge_method(parent.text, member.text, bases, carried)
