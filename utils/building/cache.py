"""What was converted before, found again by the content of everything that decides it."""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from converter.values import Provenance
from diagnostics.values import Diagnostic

from building.library import digest


LIMIT = 256 * 2**20  # bytes; all models of a release take about 8 MB
OVERRIDE = "QUALITY_GATE_CACHE_DIR"
_SUFFIX = ".model"
_TEMPORARY = ".tmp"
_DAY = 24 * 3600
_UNTRACED = Provenance()


def default_folder() -> Path | None:
    """Where this platform keeps caches; None where there is no home to keep one in."""
    if chosen := os.environ.get(OVERRIDE):
        return Path(chosen)
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    elif sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    else:
        given = os.environ.get("XDG_CACHE_HOME", "")
        base = given if os.path.isabs(given) else os.path.join(home, ".cache")  # the standard ignores relative ones
    return Path(base, "quality-gate") if os.path.isabs(base) else None


@dataclass(frozen=True, slots=True)
class CachedJob:
    """One conversion. Texts stay packed until they are asked for: where nothing changed, nobody does."""

    reads: Mapping[str, str]  # module -> digest of what the conversion read
    digests: Mapping[str, str]  # output file name -> digest of its text
    warnings: tuple[Diagnostic, ...]
    made_from: Provenance
    _packed: bytes

    def texts(self) -> dict[str, str] | None:
        """File name -> text; None where the entry is damaged."""
        try:
            texts: dict[str, str] = json.loads(zlib.decompress(self._packed))
            whole = {name: digest(text.encode()) for name, text in texts.items()} == self.digests
        except (zlib.error, ValueError, AttributeError):
            return None
        return texts if whole else None


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of entries, one file per key. Any number of processes may use it; damage of any kind is a miss."""

    folder: Path

    def get(self, key: str) -> CachedJob | None:
        """The entry under a key, if there is a whole one. The caller compares `reads` with what is there now."""
        try:
            with open(self._path(key), "rb") as file:
                seal, header, packed = file.readline(), file.readline(), file.read()
                if time.time() - os.fstat(file.fileno()).st_mtime > _DAY:
                    os.utime(file.fileno())  # keeps what is in use from being trimmed
            if seal.strip() != digest(header).encode():
                return None
            reads, digests, warnings, made_from = json.loads(header)
            told = tuple(Diagnostic(*one) for one in warnings)
            return CachedJob(reads, digests, told, Provenance(**made_from), packed)
        except (OSError, ValueError, TypeError):
            return None

    def put(
        self,
        key: str,
        reads: Mapping[str, str],
        texts: Mapping[str, str],
        warnings: tuple[Diagnostic, ...] = (),
        made_from: Provenance = _UNTRACED,
    ) -> None:
        """Store one conversion, or quietly do not: a cache that cannot be written must not stop anyone.

        Args:
            key: the digest of what is known before a conversion: see `cache_keys.ConversionCache`.
            reads: module -> digest of what the conversion read.
            texts: file name -> text of the outputs.
            warnings: what was said of them.
            made_from: the text of parents that went into them, by digest.
        """
        digests = {name: digest(text.encode()) for name, text in texts.items()}
        told = [astuple(one) for one in warnings]
        header = json.dumps([dict(reads), digests, told, asdict(made_from)]).encode() + b"\n"
        packed = zlib.compress(json.dumps(dict(texts)).encode(), 1)
        path = self._path(key)
        temporary = f"{path}.{os.urandom(4).hex()}{_TEMPORARY}"
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(digest(header).encode() + b"\n" + header + packed)
            os.replace(temporary, path)
        except OSError:
            pass
        finally:
            with suppress(OSError):
                os.unlink(temporary)

    def trim(self, limit: int = LIMIT) -> None:
        """Remove what a crash left behind and, where the folder outgrew `limit` bytes, what was longest unused."""
        now, kept, total = time.time(), [], 0
        for entry, status in self._files():
            if entry.name.endswith(_TEMPORARY) and now - status.st_mtime > _DAY:
                _remove(entry.path)
            elif entry.name.endswith(_SUFFIX):
                kept.append((status.st_mtime, entry.name, status.st_size))
                total += status.st_size
        if total <= limit:
            return
        for _, name, size in sorted(kept):
            if total <= limit * 3 // 4:  # some room, so that the next run need not trim again
                break
            _remove(os.path.join(self.folder, name))
            total -= size

    def _files(self) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    yield entry, entry.stat()

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, key + _SUFFIX)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
