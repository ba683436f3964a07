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
    def assigned(self) -> frozenset[str]:
        """The names that it assigns besides its parameters: those stand for names of the base, these are its own."""
        nodes = (node for statement in self.body for node in ast.walk(statement))
        names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        return frozenset(name for name in names - {*self.parameters} if name.strip("_"))
