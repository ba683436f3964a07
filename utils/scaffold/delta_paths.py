"""Where the delta of a base is kept."""

from __future__ import annotations

from pathlib import Path

from building.workspace import GATE
from naming.kinds import GateNames


def delta_path(name: str, modular: Path, gate: str = GATE) -> Path:
    """The file that the delta of a base is kept in, for a kind of gate."""
    return modular / f"modular_{GateNames(gate).family}{name}.py"
