"""The forms in which a delta is written out, and how a delta says what is of one of them alone."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum
from typing import TypeVar

from syntax.source import Source
from syntax.trees import tree_of


MODULE = "weave.form"
_Defined = TypeVar("_Defined", bound=Callable[..., object])


class Form(Enum):
    """What a woven delta is written for."""

    HOME = "home"  # a package that stands beside transformers, and registers with it as it is imported
    UPSTREAM = "upstream"  # a folder of transformers, as a pull request brings it


def home(definition: _Defined) -> _Defined:
    """Decorate a class, function or method of a delta that is of the home form alone: the registration of models, say."""
    return definition


def upstream(definition: _Defined) -> _Defined:
    """Decorate a class, function or method of a delta that is of the upstream form alone."""
    return definition


def in_form(delta: Source, form: Form) -> Source:
    """A delta without what it says for another form. Every line stays where it is: what goes leaves blank ones."""
    if MODULE not in delta.text:
        return delta
    lines = delta.text.split("\n")
    for first, last, instead in _gone(tree_of(delta.text), form):
        lines[first - 1 : last] = [instead, *[""] * (last - first)]
    return replace(delta, text="\n".join(lines))


def _gone(tree: ast.Module, form: Form) -> Iterator[tuple[int, int, str]]:
    """Lines, from 1, and what stands instead: of the import of these marks, of marks, and of what is not of this form."""
    forms = {each.value: each for each in Form}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == MODULE:
            yield node.lineno, node.end_lineno or node.lineno, ""
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if not isinstance(mark, ast.Name) or mark.id not in forms:
                continue
            if forms[mark.id] is form:
                yield mark.lineno, mark.lineno, ""
            else:  # `pass`, since a class may be left with nothing else
                first = min(each.lineno for each in node.decorator_list)
                yield first, node.end_lineno or first, " " * node.col_offset + "pass" if node.col_offset else ""
