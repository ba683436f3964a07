"""A class of a short delta: what it stands for in the base, and the place of a gate that it declares."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from diagnostics.names import nearest
from syntax.modules import Module, Placed
from syntax.queries import last_name

from weave.anchors import Misfit, parse
from weave.place import Feeds, Place, Returns, Scaled, Where


_FORMS = {each.__name__: each for each in (Place, Scaled, Feeds, Returns)}
Words = Mapping[str, str]  # what a delta calls the words of its kind of gate: "QualityGate" -> "Place"


@dataclass(frozen=True)
class Declared:
    """A class of a short delta."""

    node: ast.ClassDef
    parent: str | None  # the base's class that it is made from, as the base names it
    place: Where | None
    anchor: ast.Assign | None  # the statement that declares the place

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    @property
    def says_more(self) -> bool:
        """Whether it says anything besides the place of a gate: what is merged over the woven class."""
        members = (each for each in self.node.body if each is not self.anchor and not isinstance(each, ast.Pass))
        return bool(self.node.decorator_list or self.node.keywords or self.node.bases[1:]) or any(members)

    def said(self, anchor: str | None) -> Placed:
        """Where an anchor is written: the string itself, or else the statement of the place."""
        call = self.anchor.value if self.anchor else None
        words = [*call.args, *(each.value for each in call.keywords)] if isinstance(call, ast.Call) else []
        found = (each for each in words if isinstance(each, ast.Constant) and each.value == anchor)
        return next(found, self.anchor or self.node)


def read_class(module: Module, node: ast.ClassDef, alias: str, words: Words, attribute: str) -> Declared:
    """Read a class of a delta.

    Args:
        module: the delta.
        node: the class in it.
        alias: what the delta calls the module of the base.
        words: what it calls the words of its kind of gate.
        attribute: what a gate is declared as.

    Raises:
        ConversionError: `several-gates`, `bad-anchor` or `unknown-word`, at the line of what cannot be meant.
    """
    parents = [last_name(each) for each in node.bases if is_of(each, alias)]
    found = [(each, call) for each in node.body if (call := _call_of(each, words))]
    if len(found) > 1:
        message = f"{node.name} declares {len(found)} places"
        raise module.refuse(found[1][0], "several-gates", message, "declare one place in a class")
    for each in node.body:
        _check_statement(module, each, words, attribute)
    if not found:
        return Declared(node, parents[0] if parents else None, None, None)
    [(statement, call)] = found
    assert isinstance(statement, ast.Assign) and isinstance(call.func, ast.Name)
    place = _place(module, call, _FORMS[words[call.func.id]])
    return Declared(node, parents[0] if parents else None, place, statement)


def is_of(node: ast.AST, alias: str) -> bool:
    """Whether a node is `alias.Name`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == alias


def _call_of(statement: ast.stmt, words: Words) -> ast.Call | None:
    value = getattr(statement, "value", None) if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr) else None
    called = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in words
    return value if called else None


def _check_statement(module: Module, node: ast.stmt, words: Words, attribute: str) -> None:
    """A place is declared under the name that the gate has in its layer, and only there."""
    call = _call_of(node, words)
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [each.id for each in targets if isinstance(each, ast.Name)]
    if call is not None and (not isinstance(node, ast.Assign) or names != [attribute]):
        message = f"a gate of this kind is declared as `{attribute}`"
        raise module.refuse(node, "bad-anchor", message, f"write `{attribute} = {ast.unparse(call)}`")
    if call is None and attribute in names:
        known = " or ".join(f"`{each}(...)`" for each in words) or "a word of its kind"
        said = getattr(node, "value", None)
        close = (
            nearest(said.func.id, words) if isinstance(said, ast.Call) and isinstance(said.func, ast.Name) else None
        )
        fix = f"did you mean `{close}`?" if close else f"write `{attribute} = ...` with {known}"
        raise module.refuse(said or node, "bad-anchor", f"`{attribute}` says where a gate goes, with {known}", fix)


def _place(module: Module, call: ast.Call, form: type[Where]) -> Where:
    """The value of `QualityGate(reads=..., scales=...)`."""
    known = [each.name for each in fields(form)]
    said: dict[str, str] = {}
    for name, value in _said(module, call, known):
        if name in said:
            raise module.refuse(value, "bad-anchor", f"`{name}` is said twice", "say it once")
        said[name] = _anchor(module, name, value)
    missing = [each.name for each in fields(form) if each.name not in said and each.default is not None]
    if missing:
        message = f"this place does not say `{missing[0]}`"
        raise module.refuse(call, "bad-anchor", message, f'add `{missing[0]}="..."`, in the base\'s own words')
    place = form(**said)
    if isinstance(place, Place) and place.contradiction:
        message, fix = place.contradiction
        raise module.refuse(call, "bad-anchor", message, fix)
    return place


def _said(module: Module, call: ast.Call, known: list[str]) -> Iterator[tuple[str, ast.expr]]:
    """The words of a place, each with what it says."""
    for position, value in enumerate(call.args):
        if isinstance(value, ast.Starred) or position >= len(known):
            message = "an anchor is said by its word, one after the other"
            raise module.refuse(value, "bad-anchor", message, f"the words are {', '.join(known)}")
        yield known[position], value
    for keyword in call.keywords:
        if keyword.arg is None:
            message = "an anchor is written where it is declared"
            raise module.refuse(keyword.value, "bad-anchor", message, f"the words are {', '.join(known)}")
        if keyword.arg not in known:
            close = nearest(keyword.arg, known)
            fix = f"did you mean `{close}`?" if close else f"the words are {', '.join(known)}"
            raise module.refuse(keyword, "unknown-word", f"a place has no `{keyword.arg}`", fix)
        yield keyword.arg, keyword.value


def _anchor(module: Module, name: str, value: ast.expr) -> str:
    """An anchor: a string that is one Python expression."""
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
        message, fix = f"`{name}` is not a string", f'quote the base\'s expression: {name}="self.mlp"'
        raise module.refuse(value, "bad-anchor", message, fix)
    try:
        parse(value.value)
    except Misfit as problem:
        fix = 'write one expression as it stands in the base: "self.mlp"'
        raise module.refuse(value, "bad-anchor", f"{problem}", fix) from None
    return value.value
