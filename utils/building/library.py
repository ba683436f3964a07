"""Modules as text, found the way the import system would find them, with nothing imported."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from syntax.source import Source


_VERSION = re.compile(r"\d+(\.\w+)+")
ABSENT = ""  # the digest of a module that does not exist: it may exist the next time


def digest(content: bytes) -> str:
    """The digest that seals, caches and comparisons go by."""
    return hashlib.sha256(content).hexdigest()


def shown(path: Path | str) -> str:
    """A path as messages print it: relative where it lies under the current directory, whole elsewhere."""
    path, here = str(path), os.getcwd()
    return path[len(here) + 1 :] if path.startswith(here + os.sep) else path


def decode(content: bytes, path: Path) -> str:
    """The text of a Python file, with plain newlines.

    Raises ConversionError (`not-utf8`) at the first byte that is not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ConversionError(
            Diagnostic(
                "not-utf8",
                shown(path),
                line,
                column,
                f"byte 0x{content[error.start]:02x} is not UTF-8",
                "save the file as UTF-8",
            )
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_bytes(path: Path) -> bytes:
    """The bytes of a file that has to be there. Raises ConversionError (`unreadable`) where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConversionError(
            Diagnostic("unreadable", shown(path), 1, 1, reason, "check that the file exists and may be read")
        ) from None


def is_release(wanted: str) -> bool:
    """Whether a command line's word is the version of a release, to be fetched, and no folder that is there."""
    return bool(_VERSION.fullmatch(wanted)) and not os.path.exists(wanted)


@cache
def installed(package: str) -> str | None:
    """The folder of an installed top-level package, without importing it; None where there is none."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):  # a broken or half-initialised package is as good as none
        return None
    return next(iter(spec.submodule_search_locations or ()), None) if spec else None


@dataclass(slots=True)
class Library:
    """Reads every module at most once; a run sees one state of the disk, since files are written at its end.

    `roots` maps top-level packages to folders ({"transformers": ...}), and packages directly in them that lie elsewhere
    ({"gates.quality": ...}); other packages are looked up where they are installed.
    """

    roots: Mapping[str, Path]
    _sources: dict[str, Source | None] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    def path(self, name: str) -> Path | None:
        """The file of a module, or None where there is none. A package is its `__init__.py`, and goes first."""
        top, *rest = name.split(".")
        root = self.roots.get(top) or installed(top)
        if rest and (elsewhere := self.roots.get(f"{top}.{rest[0]}")):
            root, rest = elsewhere, rest[1:]
        if root is None:
            return None
        base = os.path.join(root, *rest)
        found = (path for path in (os.path.join(base, "__init__.py"), f"{base}.py") if os.path.isfile(path))
        return next(map(Path, found), None)

    def load(self, name: str) -> Source | None:
        """The source of a module; None where there is none. Raises ConversionError where it cannot be read."""
        if name not in self._sources:
            path = self.path(name)
            if path is None or (content := read_bytes(path)) is None:
                self._digests[name], self._sources[name] = ABSENT, None
            else:
                self._digests[name] = digest(content)
                self._sources[name] = Source(shown(path), name, decode(content, path))
        return self._sources[name]

    def digest(self, name: str) -> str:
        """The digest of a module's bytes, ABSENT where there is none."""
        if name not in self._digests:
            path = self.path(name)
            self._digests[name] = ABSENT if path is None else digest(read_bytes(path))
        return self._digests[name]

    def shown(self, name: str) -> str:
        """The path by which messages name a module."""
        path = self.path(name)
        return name if path is None else shown(path)


@dataclass(slots=True)
class View:
    """A library as one conversion sees it: outputs that will change are read as they will be.

    `fresh` maps modules to their new text, or to None where they will be removed. `reads` records what was asked for,
    with its digest.
    """

    library: Library
    fresh: Mapping[str, str | None]
    reads: dict[str, str] = field(default_factory=dict)

    def load(self, name: str) -> Source | None:
        """The source of a module; None where there is none."""
        source = self._fresh(name) if name in self.fresh else self.library.load(name)
        self.reads[name] = self.digest(name)
        return source

    def digest(self, name: str) -> str:
        """The digest of a module's bytes, ABSENT where there is none."""
        if name not in self.fresh:
            return self.library.digest(name)
        text = self.fresh[name]
        return ABSENT if text is None else digest(text.encode())

    def _fresh(self, name: str) -> Source | None:
        text = self.fresh[name]
        return None if text is None else Source(self.library.shown(name), name, text)
