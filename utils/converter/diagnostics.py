"""Problems as values: what is wrong, where, and what to write instead."""

from __future__ import annotations

from diagnostics.errors import LocatedError
from diagnostics.names import nearest
from diagnostics.values import Diagnostic


__all__ = ["ConversionError", "Diagnostic", "nearest"]


class ConversionError(LocatedError):
    """A model was refused. Carries one or more diagnostics, and survives pickling out of a worker process."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return "\n".join(map(str, self.diagnostics))
