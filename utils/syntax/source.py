"""A module's text with the place it came from; the only way to build a located refusal."""

from __future__ import annotations

from dataclasses import dataclass

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one Python module.

    `path` is what messages print; `module` is the dotted name that its relative imports start from
    (`transformers.models.llama.modeling_llama`).
    """

    path: str
    module: str
    text: str
    lines: tuple[int, ...] = ()  # where the text is not the file's own: for each of its lines, the file's

    def problem(self, line: int, column: int, code: str, message: str, fix: str) -> Diagnostic:
        """A diagnostic at a place of this file.

        Args:
            line, column: of the text; both count from 1.
            code: as docs/errors.md lists them.
            message: what is wrong.
            fix: what to do about it.
        """
        if self.lines:
            line = self.lines[min(line, len(self.lines)) - 1]
        return Diagnostic(code, self.path, line, column, message, fix)

    def refuse(self, line: int, column: int, code: str, message: str, fix: str) -> ConversionError:
        """The exception to raise for a problem at a place of this file.

        Args:
            line, column: of the text; both count from 1.
            code: as docs/errors.md lists them.
            message: what is wrong.
            fix: what to do about it.
        """
        return ConversionError(self.problem(line, column, code, message, fix))
