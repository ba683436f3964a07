"""`utils/check_repo.py`: the classes that need no test, no table and no entry of their own."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from syntax.queries import string, strings
from syntax.trees import statements_of


def repeat_exceptions(text: str, renamed: Mapping[str, str]) -> str:
    """The text with a gated class below its base in every list that excepts the base.

    `renamed` maps classes of bases to gated ones: {"ClvpModel": "QualityGateClvpModel"}.
    """
    lines = text.splitlines(keepends=True)
    for node in reversed(list(_lists(text))):
        listed = set(strings(node))
        for each in reversed(node.elts):
            name, line = string(each) or "", lines[each.lineno - 1]
            ours = renamed.get(name)
            if ours and ours not in listed and line.strip().startswith(f'"{name}",'):
                indent = line[: len(line) - len(line.lstrip())]
                lines.insert(each.lineno, f'{indent}"{ours}",\n')
    return "".join(lines)


def excepted(text: str, name: str) -> bool:
    """Whether any list of the file has the class."""
    return any(name in strings(node) for node in _lists(text))


def _lists(text: str) -> Iterable[ast.List]:
    """The lists of the file's assignments, in their order."""
    assigned = [node for node in statements_of(text) if isinstance(node, ast.Assign | ast.AnnAssign)]
    found = [each for node in assigned for each in ast.walk(node) if isinstance(each, ast.List)]
    return sorted(found, key=lambda each: each.lineno)
