"""The tables of mutants: llama.toml, and one for each other kind of gate, such as attention_llama.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from naming.kinds import MEANT, GateNames

from testgen.mutants.values import Mutant


MODEL = "llama"
TABLE = Path(__file__).with_name(f"{MODEL}.toml")


def model_of(names: GateNames) -> str:
    """The base of the model that is broken, for a kind of gate: its table is named after both."""
    own = next(iter(sorted(TABLE.parent.glob(f"{names.kind}_*{TABLE.suffix}"))), None)
    return own.stem.removeprefix(f"{names.kind}_") if own and names != MEANT else MODEL


def table_of(names: GateNames) -> Path:
    """The table of a kind of gate."""
    return TABLE if names == MEANT else TABLE.with_name(f"{names.kind}_{model_of(names)}.toml")


@cache
def mutants(names: GateNames = MEANT) -> tuple[Mutant, ...]:
    """Every row of the table of a kind, in its order; none where it has no table."""
    path = table_of(names)
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"] if path.is_file() else ()
    return tuple(Mutant(**row) for row in rows)
