"""Real modules to test the readers of Python on: a few of the installed transformers."""

from __future__ import annotations

from pathlib import Path

from building.library import installed


def sample_modules(step: int = 90) -> list[Path]:
    """Every `step`-th file of transformers' models that defines something."""
    folder = installed("transformers")
    assert folder is not None
    return sorted(Path(folder, "models").glob("*/*_*.py"))[::step]
