"""Changes of the outermost function of a text; functions inside of it stay as they are."""

from __future__ import annotations

from abc import abstractmethod

import libcst as cst


class Outermost(cst.CSTTransformer):
    """Changes a function as `change` says, once, and none of those inside."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    @abstractmethod
    def change(self, function: cst.FunctionDef) -> cst.FunctionDef:
        """The function as it is to be."""

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._depth += 1

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        self._depth -= 1
        return updated_node if self._depth else self.change(updated_node)
