"""The function of a splice as it was read."""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Spliced:
    """The function of a splice: its parameters but `self`, and its body as lines at the left margin."""

    name: str
    parameters: tuple[str, ...]
    body: tuple[ast.stmt, ...]
    text: str

    @property
    def stored(self) -> tuple[str, ...]:
        """The names that it assigns, in their order."""
        nodes = (node for statement in self.body for node in ast.walk(statement))
        names = (node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        return tuple(dict.fromkeys(names))

    @property
    def own(self) -> tuple[str, ...]:
        """Those of them that are its own: its parameters stand for names of the base, and `_` for nothing."""
        return tuple(name for name in self.stored if name not in self.parameters and name.strip("_"))
