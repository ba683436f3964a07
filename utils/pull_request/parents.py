"""Which other gated models a modular file takes over classes from."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from syntax.trees import statements_of


_GATED = re.compile(r"\w+_gate_\w+")  # the folder of a gated model


def parents(modular: str) -> list[str]:
    """The gated models that a modular file imports from, as it imports them."""
    return list(dict.fromkeys(package for package, _ in _imported(modular)))


def homes(modular: str) -> list[str]:
    """Those whose modeling files it imports from."""
    found = (package for package, file in _imported(modular) if file == f"modeling_{package}")
    return list(dict.fromkeys(found))


def _imported(modular: str) -> Iterator[tuple[str, str]]:
    """The gated models of a repository that a file imports from, each with the file."""
    for node in statements_of(modular):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            package, _, file = (node.module or "").partition(".")
            if _GATED.fullmatch(package) and file:
                yield package, file
