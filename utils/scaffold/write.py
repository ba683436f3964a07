"""Deltas on disk: written once, and then a person's."""

from __future__ import annotations

import os
from pathlib import Path

from building.library import shown
from building.workspace import GATE
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic

from scaffold.delta_paths import delta_path
from scaffold.short import ShortDelta, short_delta


def write_delta(name: str, modular: Path, gate: str = GATE) -> ShortDelta | None:
    """Scaffold the delta of a base, if there is none yet: None where there is, which is kept as it is.

    Raises ConversionError where the base cannot be gated from its text, or the disk refuses (`cannot-write`).
    """
    path = delta_path(name, modular, gate)
    if path.exists():
        return None
    found = short_delta(name, gate=gate, project=modular.parent)
    return found if _put(path, found.text.encode()) else None


def take_delta(ours: Path, path: Path) -> str | None:
    """Copy a delta that comes with the tools to where a user's goes; a line on it, or None where one is there already.

    Raises ConversionError (`cannot-write`) where the disk refuses.
    """
    if not _put(path, ours.read_bytes()):
        return None
    return f"wrote   {os.path.relpath(path)}: the delta that comes with the tools"


def _put(path: Path, content: bytes) -> bool:
    """Write a file that is not there yet; whether it was not. What another process was faster to write is kept."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            os.link(partial, path)  # fails where there is a file
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.exists():
            return False
        where = shown(path.parent if error.filename == str(partial) else error.filename or path)
        fix = "make the folder writable, or name another with --modular"
        raise ConversionError(Diagnostic("cannot-write", where, 1, 1, error.strerror or str(error), fix)) from None
    return True


def report_line(found: ShortDelta, modular: Path) -> str:
    """One line on a delta that was written."""
    path = os.path.relpath(delta_path(found.name, modular, found.gate))
    less = f"; no gate in {', '.join(found.ungated)}" if found.ungated else ""
    return f"wrote   {path}: gate before {', '.join(places_of(found))}{less}"


def places_of(found: ShortDelta) -> list[str]:
    """Where its gates are, as paths from here: "../transformers/models/mistral/modeling_mistral.py:218"."""
    return [os.path.relpath(place) if os.path.isabs(place) else place for place in found.places]
