"""The delta's method + the parent's method of the same name -> one method."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from syntax.scan import closing_colon

from converter.index import Statement, StatementKind, first_line_of, method_node, split_lines, split_statements
from converter.merge.bodies import Carried, unroll_super
from converter.merge.decorators import merge_decorators
from converter.merge.headers import merge_headers
from converter.merge.step import MergeStep
from converter.merge.supers import call_super, explicit_calls


_INDENT = 8  # of a method's body
_TRIPLE = re.compile(r"""\s*[rRuU]?(?:\"\"\"|''')""")


@dataclass(frozen=True, slots=True)
class MethodParts:
    """A method taken apart, indented as in its class."""

    name: str
    decorators: str
    header: str  # `def ...:` and the comment behind it, up to the line end
    docstring: Statement | None
    body: tuple[Statement, ...]  # below the docstring
    footer: str  # comments below the last statement

    def render(self) -> str:
        """The method's text."""
        docstring = self.docstring.whole if self.docstring else ""
        return self.decorators + self.header + docstring + _texts(self.body) + self.footer


@dataclass(frozen=True, slots=True)
class MethodPair:
    """A method of the delta beside the parent's of the same name."""

    parent: MethodParts
    delta: MethodParts
    bases: Sequence[str]  # those that the class keeps
    carried: Carried  # what earlier methods of the class have assigned (see `unroll_super`)


def merge_method(parent_text: str, delta_text: str, bases: Sequence[str], carried: Carried) -> str:
    """Weave two methods into one: what the delta leaves out comes from the parent.

    Args:
        parent_text, delta_text: the methods, each indented as in its class.
        bases: those that the class keeps; calls that name one of them become `super()` calls.
        carried: what earlier methods of the class have assigned (see `unroll_super`).
    """
    pair = MethodPair(take_method_apart(parent_text), take_method_apart(delta_text), bases, carried)
    return "".join(step.make(pair) for step in METHOD_STEPS)


def _docstring(pair: MethodPair) -> str:
    chosen = pair.delta.docstring or pair.parent.docstring
    return chosen.whole if chosen else ""


def _body(pair: MethodPair) -> str:
    woven = unroll_super(pair.delta.name, pair.parent.body, pair.delta.body, pair.carried)
    theirs, calls = set(map(id, pair.parent.body)), explicit_calls(pair.bases)
    return _texts(each if id(each) in theirs else _with_super_call(each, calls) for each in woven)


METHOD_STEPS: tuple[MergeStep[MethodPair], ...] = (
    MergeStep(
        "decorators",
        lambda pair: merge_decorators(pair.parent.decorators, pair.delta.decorators),
        "the delta's, or the parent's where it has none; both where the delta only repeats deprecations",
        case="decorators_of_the_delta_or_parent",
    ),
    MergeStep(
        "header",
        lambda pair: merge_headers(pair.parent.header, pair.delta.header),
        "the delta's, with the parent's return annotation and, at `**super_kwargs`, its parameters",
        case="signature_super_kwargs",
    ),
    MergeStep("docstring", _docstring, "the delta's, or the parent's where it has none", case="docstrings"),
    MergeStep(
        "body",
        _body,
        "the delta's, with the parent's statements in the place of `super().m()`; calls by a base's name become super()",
        case="super_unrolled",
    ),
    MergeStep("footer", lambda pair: pair.delta.footer, "the comments below the delta's", case="methods_merged"),
)


def clean_method(text: str, bases: Sequence[str]) -> str:
    """A method that only the delta has: calls that name a base become `super()` calls."""
    if not explicit_calls(bases).search(text):
        return text
    return _with_super_calls(take_method_apart(text), bases).render()


def _with_super_calls(method: MethodParts, bases: Sequence[str]) -> MethodParts:
    calls = explicit_calls(bases)
    return replace(method, body=tuple(_with_super_call(each, calls) for each in method.body))


def _texts(statements: Iterable[Statement]) -> str:
    return "".join(each.whole for each in statements)


def _with_super_call(statement: Statement, calls: re.Pattern[str]) -> Statement:
    return replace(statement, text=call_super(statement.text, calls))


def take_method_apart(text: str) -> MethodParts:
    """Take apart a method that is indented as in its class."""
    node = method_node(text)
    lines = split_lines(text)
    first = first_line_of(node)
    header = node.lineno - first
    colon = closing_colon(text, sum(map(len, lines[:header])))
    body_start = text.count("\n", 0, colon) + 1
    if node.body[0].lineno - first < body_start:  # `def f(self): return 1`
        rest = text[colon + 1 :].strip()
        return take_method_apart(f"{text[: colon + 1]}\n{' ' * _INDENT}{rest}\n")
    statements = tuple(split_statements(lines, node.body, body_start, len(lines), _INDENT, first))
    end = body_start + sum(each.whole.count("\n") for each in statements)
    # In plain quotes it is a statement like any other to the reference.
    has_docstring = statements[0].kind is StatementKind.DOCSTRING and bool(_TRIPLE.match(statements[0].text))
    return MethodParts(
        name=node.name,
        decorators="".join(lines[:header]),
        header="".join(lines[header:body_start]),
        docstring=statements[0] if has_docstring else None,
        body=statements[1:] if has_docstring else statements,
        footer="".join(lines[end:]),
    )
