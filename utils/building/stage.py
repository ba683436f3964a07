"""A stage before the expansion: another package's say in what modular files mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from building.jobs import Convert, Job


def _nothing(delta: bytes) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands before the converter's own pipeline; without one, modular files mean what they say."""

    convert: Convert | None = None  # in place of the converter's own pipeline, which it may call
    stands_on: Callable[[bytes], Iterable[str]] = _nothing  # modules that a file needs besides those it imports
    roots: Mapping[str, Path] = field(default_factory=dict)  # more top-level packages that are read as text
    code: tuple[Path, ...] = ()  # files and folders that decide the outputs
    expanded: Callable[[Job, bytes, Mapping[str, Path], Mapping[str, str]], str | None] | None = None  # for `--expand`
    kinds: tuple[str, ...] = ()  # what `--gate` may name
    # Writes the modular file of a model that has none: the model, the folder of such files, the kind of gate
    write_missing: Callable[[str, Path, str], str | None] | None = None
