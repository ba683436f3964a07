"""Statements of a module as lines: edits that leave them out, replace them, and put others above them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from syntax.edits import Edit, apply, changed, source_of
from syntax.modules import Module, module_of
from syntax.queries import Decorated, calls, calls_above, classes, last_name


_SHELL = "class _:\n"  # in which members stand alone


def edited(module: Module, edits: Iterable[Edit]) -> Module:
    """The module with all edits made; itself where there are none."""
    made = list(edits)
    return module_of("\n".join(apply(module.lines, made))) if made else module


def first_line(node: ast.stmt) -> int:
    """The first line of a statement, from 0, its decorators included."""
    decorated = node.decorator_list if isinstance(node, Decorated) else []
    return min([node.lineno, *(each.lineno for each in decorated)]) - 1


def text_of(module: Module, node: ast.stmt) -> str:
    """The lines of a statement, its decorators included, without the comments above it."""
    return "\n".join(module.lines[first_line(node) : node.end_lineno])


def without(module: Module, node: ast.stmt) -> Edit:
    """The edit that leaves a statement out, with the comment above it, and a blank line before a definition."""
    return instead(module, node, "")


def instead(module: Module, node: ast.stmt, text: str) -> Edit:
    """The edit that puts a text where a statement is, with the comment above it, and a blank line before a definition."""
    first, lines = first_line(node), module.lines
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and first and not lines[first - 1].strip():
        first -= 1
    return Edit(first, node.end_lineno or node.lineno, _lines(text))


def replaced(node: ast.stmt, text: str) -> Edit:
    """The edit that puts a text in place of a statement and its decorators; the comments above it stay."""
    return Edit(first_line(node), node.end_lineno or node.lineno, _lines(text))


def above(node: ast.stmt, text: str) -> Edit:
    """The edit that puts a text directly above a statement and its decorators."""
    return Edit(first_line(node), first_line(node), _lines(text))


def with_changes(module: Module, first: int, last: int, changes: Mapping[ast.expr, str]) -> Edit:
    """The edit of some lines in which expressions are other texts.

    Args:
        module: whose lines these are.
        first, last: numbers of lines from 0, the last not included.
        changes: an expression in these lines -> its new text.
    """
    text, lines = module.source.text, module.lines
    start = len("".join(f"{line}\n" for line in lines[:first]).encode())
    end = start + len("\n".join(lines[first:last]).encode())
    return Edit(first, last, tuple(changed(text, (start, end), changes).split("\n")))


def past_super(module: Module, tree: ast.AST, method: str, owner: str) -> list[Edit]:
    """The edits that call a method by the class that has it, where a tree calls the inherited one.

    `super().method(x)` becomes `Owner.method(self, x)`.

    Args:
        module: what the tree is part of.
        tree: what is changed, such as one method.
        method: the name of what is called.
        owner: the class that has it, as the text is to name it.
    """
    found = [call for call in calls(tree) if last_name(call.func) == method and calls_above(call.func)]
    return [
        with_changes(
            module, call.lineno - 1, call.end_lineno or call.lineno, _by_name(module, call, f"{owner}.{method}")
        )
        for call in found
    ]


def members(text: str) -> Module:
    """Members of a class, indented as they stand there, as a module; `text_of_members` gives them back."""
    return module_of(_SHELL + text)


def text_of_members(module: Module) -> str:
    """The members of a module that `members` has made, edited or not."""
    return module.source.text.removeprefix(_SHELL)


def members_past_super(text: str, method: str, owner: str) -> str:
    """The same for members of a class, indented as they stand there."""
    module = members(text)
    return text_of_members(edited(module, past_super(module, module.tree, method, owner)))


def _by_name(module: Module, call: ast.Call, called: str) -> dict[ast.expr, str]:
    text = module.source.text
    if call.args:
        return {call.func: called, call.args[0]: f"self, {source_of(text, call.args[0])}"}
    given = [f"{each.arg}=" if each.arg else "**" for each in call.keywords]
    given = [mark + source_of(text, each.value) for mark, each in zip(given, call.keywords, strict=True)]
    return {call: f"{called}({', '.join(['self', *given])})"}


def imported(module: Module, statements: Iterable[str]) -> list[Edit]:
    """The edits that put import statements above the first that is relative; ruff puts them in order."""
    wanted = sorted(set(statements))
    found = [each for each in module.tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    first = next((each for each in found if isinstance(each, ast.ImportFrom) and each.level), found[0])
    return [above(first, "\n".join(wanted))] if wanted else []


def class_of(module: Module, name: str) -> ast.ClassDef | None:
    """The class of a module that has a name, the first of that name."""
    return next((each for each in classes(module.tree) if each.name == name), None)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()
