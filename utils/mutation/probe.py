"""A function that holds a mutant tells when it runs, so that what no test reaches is told from what no test checks."""

from __future__ import annotations

import ast
from itertools import takewhile

from mutation.operators import Text


LOG = "MUTATION_REACHED"  # the variable that names the file it makes
CALL = f"__import__('os').close(__import__('os').open(__import__('os').environ.get('{LOG}', __import__('os').devnull), 65))"


def probed(source: str, offset: int) -> str:
    """A module whose function around a byte makes a file when it begins; outside of functions, the import does."""
    text = Text(source)
    block: ast.FunctionDef | ast.Module = text.tree
    for node in ast.walk(text.tree):  # outer nodes come first
        if isinstance(node, ast.FunctionDef) and text.start(node) <= offset < text.end(node):
            block = node
    start = _begin(text, block)
    line = f"{CALL}\n{' ' * (text.place(start)[1] - 1)}"
    return (text.data[:start] + line.encode() + text.data[start:]).decode()


def _begin(text: Text, block: ast.FunctionDef | ast.Module) -> int:
    """Where the first statement begins that a call may stand before: behind a docstring, if anything is behind it."""

    def must_come_first(node: ast.stmt) -> bool:
        documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        return documents or (isinstance(node, ast.ImportFrom) and node.module == "__future__")

    first = list(takewhile(must_come_first, block.body))
    after = block.body[len(first)] if len(first) < len(block.body) else first[-1]
    decorators = getattr(after, "decorator_list", ())
    return min([text.start(after), *(text.start(each) - 1 for each in decorators)])
