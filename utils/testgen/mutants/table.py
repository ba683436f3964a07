"""The table of mutants, llama.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from testgen.mutants.values import Mutant


MODEL = "llama"
TABLE = Path(__file__).with_name(f"{MODEL}.toml")


@cache
def mutants() -> tuple[Mutant, ...]:
    """Every row of the table, in its order."""
    return tuple(Mutant(**row) for row in tomllib.loads(TABLE.read_text(encoding="utf-8"))["mutant"])
