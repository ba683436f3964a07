"""The frozen nouns: a model to export, and a transformers repository as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from naming.kinds import MEANT
from places import PROJECT


PREFIX = MEANT.family  # of the folders that branches are named after
HOLDERS = "The Quality Gate team and the HuggingFace Inc. team"
_GATED = re.compile(r"(?P<kind>[a-z]+)_gate_(?P<base>.+)")
PACKAGE = "src/transformers"  # where a repository keeps the package


@dataclass(frozen=True, slots=True)
class Model:
    """One gated model of this project."""

    name: str  # "quality_gate_llama"
    delta: str  # the text of its short delta, as this project has it
    path: str  # of that file, as messages print it
    parents: tuple[str, ...]  # the gated models that the delta inherits from, sorted
    project: Path = PROJECT  # where its kind of gate is described

    @property
    def base(self) -> str:
        """The folder of the model it is a gated version of: "llama"."""
        return base_in(self.name)


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a transformers repository as text, some of them as they will be.

    `root` is None where there is only an installed package.
    """

    package: Path  # the folder of the package, wherever it lies
    root: Path | None
    release: str
    changed: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: str) -> str | None:
        """The text of a file given relative to the repository's root; None where there is none."""
        if path in self.changed:
            return self.changed[path]
        place = self.place(path)
        if place is None or not place.is_file():
            return None
        return place.read_text(encoding="utf-8")

    def place(self, path: str) -> Path | None:
        """Where a file of the repository is on disk; None where only a repository would have it."""
        inside = path.removeprefix(f"{PACKAGE}/")
        if inside != path:
            return self.package / inside
        return self.root / path if self.root else None

    def with_changes(self, changes: Mapping[str, str]) -> Tree:
        """The same tree with these files written over."""
        return replace(self, changed={**self.changed, **changes})


@dataclass(frozen=True, slots=True)
class ExportSetting:
    """What an export is made with."""

    today: date
    ruff_config: Path
    home: Tree  # the version that the deltas were written against


def kind_in(name: str) -> str:
    """The kind of gate in the name of a gated model, or in its model type: "quality"; "" where there is none."""
    found = _GATED.fullmatch(name)
    return found["kind"] if found else ""


def base_in(name: str) -> str:
    """The base in the name of a gated model: "llama" of "quality_gate_llama". Another name is its own."""
    found = _GATED.fullmatch(name)
    return found["base"] if found else name


def refuse(code: str, path: str, message: str, fix: str, line: int = 1) -> ConversionError:
    """The exception to raise for a problem with a file or folder.

    Args:
        code: of the problem, as docs/errors.md lists them.
        path: of the file or folder, as messages print it.
        message: what is wrong.
        fix: what to do about it.
        line: where in the file, from 1.
    """
    return ConversionError(Diagnostic(code, path, line, 1, message, fix))
