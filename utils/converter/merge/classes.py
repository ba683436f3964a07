"""Parent class + delta class -> one class that stands alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from converter.index import ClassParts, Statement, StatementKind
from converter.merge.bodies import Carried
from converter.merge.methods import clean_method, merge_method
from converter.merge.step import MergeStep
from converter.names import Casing, Rename, common_suffix
from converter.quirks import included_in


_EMPTY_BODY = "    pass\n"


@dataclass(frozen=True, slots=True)
class ClassPair:
    """A delta class beside its parent, whose text is already renamed."""

    parent: ClassParts
    delta: ClassParts
    parent_name: str  # the parent as the delta names it: the base to drop
    casing: Casing


@dataclass(frozen=True, slots=True)
class ClassMerge:
    """Two classes on their way to be one: the parent's texts speak of the child already."""

    pair: ClassPair
    bases: Sequence[str]  # of the merged class


def merge_class(pair: ClassPair) -> str:
    """The text of the merged class: its parts, one step each."""
    pair = _named_after_child(pair)
    both = ClassMerge(pair, merge_bases(pair))
    header, body, footer = (
        "".join(step.make(both) for step in steps) for steps in (HEADER_STEPS, BODY_STEPS, FOOTER_STEPS)
    )
    return header + (body or _EMPTY_BODY) + footer


def _named_after_child(pair: ClassPair) -> ClassPair:
    """The parent's strings and comments speak of the child: of `FooTextAttention` where they said `FooAttention`."""
    parent, child = pair.parent.name, pair.delta.name
    suffix = common_suffix(parent, child)
    old, new = parent.removesuffix(suffix), child.removesuffix(suffix)
    if parent == child or not old or not new:
        return pair
    about = Rename(pair.casing.of_prefix(old), pair.casing.of_prefix(new)).prose
    members = tuple(replace(each, lead=about(each.lead), text=about(each.text)) for each in pair.parent.members)
    changed = replace(
        pair.parent, lead=about(pair.parent.lead), decorators=about(pair.parent.decorators), members=members
    )
    return replace(pair, parent=changed)


def _decorators(both: ClassMerge) -> str:
    chosen = both.pair.delta.decorators or both.pair.parent.decorators
    return "" if chosen.strip() == "@no_inherit_decorator" else chosen


def _header(both: ClassMerge) -> str:
    bases = f"({', '.join(both.bases)})" if both.bases else ""
    return f"class {both.pair.delta.name}{bases}:{both.pair.parent.header_comment}\n"


def _docstring(both: ClassMerge) -> str:
    found = (each for parts in (both.pair.delta, both.pair.parent) for each in parts.members)
    return next((each.whole for each in found if each.kind is StatementKind.DOCSTRING), "")


def merge_bases(pair: ClassPair) -> list[str]:
    """The parent's bases; a base that the delta adds replaces the one that plays its role, or is appended.

    parent   class FooModel(FooPreTrainedModel)
    delta    class BarTextModel(FooModel, BarTextPreTrainedModel, Mixin)
    result   class BarTextModel(BarTextPreTrainedModel, Mixin)
    """
    bases = list(pair.parent.bases)
    for added in pair.delta.bases:
        if added == pair.parent_name or added in bases:
            continue
        role = next((i for i, base in enumerate(bases) if common_suffix(base, added)[:1].isupper()), None)
        if role is None:
            bases.append(added)
        else:
            bases[role] = added
    besides = set(included_in(bases))
    return [base for base in bases if base not in besides]


def merged_attributes(pair: ClassPair) -> Iterator[Statement]:
    """The parent's attributes in order, the delta's in their places or below; `x = AttributeError()` removes one."""
    mine = {each.names: each for each in pair.delta.members if each.kind is StatementKind.ASSIGNMENT}
    inherited = {each.names: each for each in pair.parent.members if each.kind is StatementKind.ASSIGNMENT}
    chosen = {**inherited, **mine}
    return (each for each in chosen.values() if not _is_removed_attribute(each))


def _is_removed_attribute(member: Statement) -> bool:
    match member.node:
        case ast.Assign(value=ast.Call(func=ast.Name(id="AttributeError"))):
            return True
    return False


def merged_methods(pair: ClassPair, bases: Sequence[str]) -> Iterator[str]:
    """The parent's methods in order, the delta's in their places or below; a stub that only raises removes one."""
    mine = {method_key(each): each for each in pair.delta.members if each.kind is StatementKind.FUNCTION}
    hidden = {name for each in pair.delta.members if each.kind is StatementKind.ASSIGNMENT for name in each.names}
    carried: Carried = {}
    last = {method_key(each): each for each in pair.parent.members if each.kind is StatementKind.FUNCTION}
    for each in pair.parent.members:
        if each.kind is not StatementKind.FUNCTION or each.names[0] in hidden:
            continue
        key = method_key(each)
        own = mine.pop(key, None) if last[key] is each else None  # above it stand its overloads
        if own is None:
            yield each.whole
        elif not removes_method(own):
            yield each.lead + merge_method(each.text, own.text, bases, carried)
    yield from (each.lead + clean_method(each.text, bases) for each in mine.values())


def method_key(member: Statement) -> str:
    """Methods of one key replace each other: a getter and its setter do not."""
    for decorator in getattr(member.node, "decorator_list", ()):
        if isinstance(decorator, ast.Attribute) and decorator.attr in ("setter", "deleter"):
            return f"{member.names[0]}.{decorator.attr}"
    return member.names[0]


def is_stub(member: Statement) -> bool:
    """A method whose whole body raises an error."""
    body = [each for each in getattr(member.node, "body", ()) if not _is_string(each)]
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return False
    raised = body[0].exc
    name = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(name, ast.Name) and name.id.endswith("Error")


def removes_method(member: Statement) -> bool:
    """Whether the reference takes a stub for a deletion: it looks for a blank line above an undecorated `def`."""
    return is_stub(member) and bool(member.lead) and not member.function.decorator_list


def _is_string(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


HEADER_STEPS: tuple[MergeStep[ClassMerge], ...] = (
    MergeStep(
        "lead", lambda both: both.pair.parent.lead, "the comments above the parent", case="class_inherited_whole"
    ),
    MergeStep(
        "decorators",
        _decorators,
        "the delta's, or the parent's where it has none",
        case="decorators_of_the_delta_or_parent",
    ),
    MergeStep(
        "header", _header, "the parent's bases, with those that the delta adds in their roles", case="bases_merged"
    ),
)
BODY_STEPS: tuple[MergeStep[ClassMerge], ...] = (
    MergeStep("docstring", _docstring, "the delta's, or the parent's where it has none", case="docstrings"),
    MergeStep(
        "attributes",
        lambda both: "".join(each.whole for each in merged_attributes(both.pair)),
        "the parent's in order, the delta's in their places or below; `x = AttributeError()` removes one",
        case="attributes_merged",
    ),
    MergeStep(
        "methods",
        lambda both: "".join(merged_methods(both.pair, both.bases)),
        "the parent's in order, the delta's in their places or below, each by METHOD_STEPS; a stub that raises removes one",
        case="methods_merged",
    ),
)
FOOTER_STEPS: tuple[MergeStep[ClassMerge], ...] = (
    MergeStep(
        "footer", lambda both: both.pair.parent.footer, "the comments below the parent", case="class_inherited_whole"
    ),
)
