"""The table of mutants that pass because they change nothing that anybody could see, each with its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic

from mutation.candidates import candidates
from mutation.values import Mutant


TABLE = Path(__file__).with_name("explained.toml")
SHORTEST = 20  # characters of a reason


@dataclass(frozen=True, slots=True)
class Explained:
    """A row: a mutant by its texts, so that it no longer fits when they change."""

    file: str  # "converter/plan.py"
    text: str  # the whole line before the change, without indentation
    becomes: str  # and after it
    why: str

    def fits(self, mutant: Mutant) -> bool:
        return (self.file, self.text, self.becomes) == (mutant.file, mutant.text, mutant.becomes)


def read_table(path: Path = TABLE) -> tuple[Explained, ...]:
    """The rows of the table.

    Raises:
        ConversionError (`bad-explanation`): it is no TOML, or a row lacks a word, has another one or no reason.
    """
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", [])
        table = tuple(Explained(**row) for row in rows)
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise ConversionError(_bad(path, f"{error}", "each [[mutant]] has file, text, becomes and why")) from None
    for row in table:
        if len(row.why.split()) < 3 or len(row.why) < SHORTEST:
            raise ConversionError(_bad(path, f"`{row.text}` has no reason", "say why nobody could see it"))
    return table


def stale(table: Iterable[Explained], modules: Mapping[str, str], path: Path = TABLE) -> list[Diagnostic]:
    """A problem for each row that fits no mutant of the modules any longer, path below utils/ -> text."""
    found = []
    for row in table:
        known = candidates(row.file, modules[row.file]) if row.file in modules else []
        if not any(row.fits(mutant) for mutant in known):
            message = f"{row.file} has no `{row.text}` that a mutant turns into `{row.becomes}`"
            found.append(Diagnostic("stale-explanation", path.name, 1, 1, message, "take it out, or follow the code"))
    return found


def why(table: Iterable[Explained], mutant: Mutant) -> str:
    """The reason why a mutant may pass; "" where there is none."""
    return next((row.why for row in table if row.fits(mutant)), "")


def _bad(path: Path, message: str, fix: str) -> Diagnostic:
    return Diagnostic("bad-explanation", path.name, 1, 1, message, fix)
