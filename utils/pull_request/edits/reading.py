"""Shared files as trees, as far as they are Python."""

from __future__ import annotations

import ast

from syntax.trees import statements_of


def statements_in(text: str) -> list[ast.stmt]:
    """The statements of a file; none where it is no Python, which other checks say."""
    try:
        return statements_of(text)
    except (SyntaxError, ValueError):
        return []
