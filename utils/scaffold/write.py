"""Deltas on disk: written once, and then a person's."""

from __future__ import annotations

import os
from pathlib import Path

from building.workspace import GATE

from scaffold.delta_paths import delta_path
from scaffold.short import ShortDelta, short_delta


def write_delta(name: str, modular: Path, gate: str = GATE) -> ShortDelta | None:
    """Scaffold the delta of a base, if there is none yet: None where there is, which is kept as it is.

    Raises ConversionError where the base cannot be gated from its text.
    """
    path = delta_path(name, modular, gate)
    if path.exists():
        return None
    found = short_delta(name, gate=gate, project=modular.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(found.text, encoding="utf-8")
    try:
        os.link(partial, path)  # fails where another process was faster: that one's delta is kept
    except FileExistsError:
        return None
    finally:
        partial.unlink()
    return found


def report_line(found: ShortDelta, modular: Path) -> str:
    """One line on a delta that was written."""
    path = os.path.relpath(delta_path(found.name, modular, found.gate))
    less = f"; no gate in {', '.join(found.ungated)}" if found.ungated else ""
    return f"wrote   {path}: gate before {', '.join(places_of(found))}{less}"


def places_of(found: ShortDelta) -> list[str]:
    """Where its gates are, as paths from here: "../transformers/models/mistral/modeling_mistral.py:218"."""
    return [os.path.relpath(place) if os.path.isabs(place) else place for place in found.places]
