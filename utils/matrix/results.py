"""What earlier runs found, one file per architecture and subset, each under the digest of what it depends on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from files.writing import PART, write_text

from matrix.values import Common, Row, Subset


Kept = TypeVar("Kept", Row, Common)
_COMMON = "common"  # the folder of what transformers' own tests said


@dataclass(frozen=True, slots=True)
class Results:
    """A folder of results. A damaged file is no result."""

    folder: Path

    def get(self, name: str, subset: Subset, key: str) -> Row | None:
        """The row of an architecture, if it was made from the same inputs; a full run stands for a fast one too."""
        found = (
            self._read(self._path(each.value, name), key, "row", Row) for each in {Subset.FULL: None, subset: None}
        )
        return next((row for row in found if row), None)

    def put(self, row: Row, subset: Subset, key: str) -> None:
        """Keep a row, whole or not at all."""
        self._write(self._path(subset.value, row.name), {"key": key, "row": row.to_json()})

    def get_common(self, name: str, key: str) -> Common | None:
        """What transformers' tests said of an architecture, if they ran on the same inputs."""
        return self._read(self._path(_COMMON, name), key, "tests", Common)

    def put_common(self, name: str, tests: Common, key: str) -> None:
        """Keep what they said, whole or not at all."""
        self._write(self._path(_COMMON, name), {"key": key, "tests": asdict(tests)})

    def _read(self, path: Path, key: str, field: str, kind: type[Kept]) -> Kept | None:
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            return kind.from_json(read[field]) if read["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content, indent=1) + "\n", part=f".{os.getpid()}{PART}")

    def _path(self, folder: str, name: str) -> Path:
        return self.folder / folder / f"{name}.json"
