"""Every mutant that a module has: each operator at each node, but for what nobody would test."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mutation.operators import OPERATORS, Text, changed
from mutation.values import Edit, Mutant


# Calls whose arguments are words for people, or the grammar of a command line
_WORDED = {"add_argument", "ArgumentParser", "Diagnostic", "print", "refuse", "problem", "field", "add_parser"}
_CUT = 60  # characters of what is replaced that a report shows


def candidates(file: str, source: str) -> list[Mutant]:
    """The mutants of a module's text, in the order of its lines. Pure.

    Args:
        file: its path below utils/, which is only handed on.
        source: the text; it has to be Python (SyntaxError).
    """
    text = Text(source)
    found: dict[tuple[int, int, str], Mutant] = {}
    for node, scope in _visited(text.tree, ()):
        for name, operator in OPERATORS.items():
            for edit in operator(text, node):
                found.setdefault((edit.start, edit.end, edit.new), _mutant(file, text, scope, name, edit))
    return sorted(found.values(), key=lambda mutant: (mutant.edit.start, mutant.edit.end, mutant.edit.new))


def is_python(source: str, mutant: Mutant) -> bool:
    """Whether the text with the mutant in it can be compiled, and says something else than before."""
    after = changed(source.encode(), mutant.edit).decode()
    try:
        return ast.dump(ast.parse(after)) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def _visited(node: ast.AST, scope: tuple[str, ...]) -> Iterator[tuple[ast.AST, str]]:
    """Each node that may be changed, with the function around it."""
    if _is_left_out(node):
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        scope = (*scope, node.name)
    yield node, ".".join(scope)
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list", "bases"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _visited(child, scope)


def _is_left_out(node: ast.AST) -> bool:
    """Docstrings, imports, messages, f-strings (whose parts Python 3.11 places wrongly), what runs a script."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'"):
        return True
    if isinstance(node, ast.Raise):
        return True
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _WORDED


def _mutant(file: str, text: Text, scope: str, operator: str, edit: Edit) -> Mutant:
    line, column = text.place(edit.start)
    old = text.data[edit.start : edit.end].decode()
    return Mutant(
        file,
        line,
        column,
        scope,
        operator,
        _line(text.data, line),
        _line(changed(text.data, edit), line),
        _short(old),
        _short(edit.new),
        edit,
    )


def _line(data: bytes, number: int) -> str:
    return data.split(b"\n")[number - 1].decode().strip()


def _short(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _CUT else f"{line[:_CUT]}..."
