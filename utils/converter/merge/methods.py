"""The delta's method + the parent's method of the same name -> one method."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from syntax.scan import closing_colon

from converter.index import Kind, Statement, first_line_of, method_node, split_lines, split_statements
from converter.merge.bodies import Carried, unroll_super
from converter.merge.decorators import merge_decorators
from converter.merge.headers import merge_headers
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
        statements = (self.docstring, *self.body) if self.docstring else self.body
        return self.decorators + self.header + "".join(each.whole for each in statements) + self.footer


def merge_method(parent_text: str, delta_text: str, bases: Sequence[str], carried: Carried) -> str:
    """Weave two methods into one.

    Decorators, docstring, return annotation and parameters that the delta leaves out come from the parent.

    Args:
        parent_text, delta_text: the methods, each indented as in its class.
        bases: those that the class keeps; calls that name one of them become `super()` calls.
        carried: what earlier methods of the class have assigned (see `unroll_super`).
    """
    parent, delta = take_method_apart(parent_text), take_method_apart(delta_text)
    woven = unroll_super(delta.name, parent.body, delta.body, carried)
    theirs = set(map(id, parent.body))
    calls = explicit_calls(bases)
    return MethodParts(
        name=delta.name,
        decorators=merge_decorators(parent.decorators, delta.decorators),
        header=merge_headers(parent.header, delta.header),
        docstring=delta.docstring or parent.docstring,
        body=tuple(each if id(each) in theirs else _with_super_call(each, calls) for each in woven),
        footer=delta.footer,
    ).render()


def clean_method(text: str, bases: Sequence[str]) -> str:
    """A method that only the delta has: calls that name a base become `super()` calls."""
    if not explicit_calls(bases).search(text):
        return text
    return _with_super_calls(take_method_apart(text), bases).render()


def _with_super_calls(method: MethodParts, bases: Sequence[str]) -> MethodParts:
    calls = explicit_calls(bases)
    return replace(method, body=tuple(_with_super_call(each, calls) for each in method.body))


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
    has_docstring = statements[0].kind is Kind.DOCSTRING and bool(_TRIPLE.match(statements[0].text))
    return MethodParts(
        name=node.name,
        decorators="".join(lines[:header]),
        header="".join(lines[header:body_start]),
        docstring=statements[0] if has_docstring else None,
        body=statements[1:] if has_docstring else statements,
        footer="".join(lines[end:]),
    )
