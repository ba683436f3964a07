"""What earlier runs found, one file per architecture and subset, each under the digest of what it depends on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from matrix.values import Row, Subset


@dataclass(frozen=True, slots=True)
class Results:
    """A folder of results. A damaged file is no result."""

    folder: Path

    def get(self, name: str, subset: Subset, key: str) -> Row | None:
        """The row of an architecture, if it was made from the same inputs; a full run stands for a fast one too."""
        found = (self._read(self._path(name, each), key) for each in {Subset.FULL: None, subset: None})
        return next((row for row in found if row), None)

    def _read(self, path: Path, key: str) -> Row | None:
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            return Row.from_json(read["row"]) if read["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, row: Row, subset: Subset, key: str) -> None:
        """Keep a row, whole or not at all."""
        path = self._path(row.name, subset)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({"key": key, "row": row.to_json()}, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)

    def _path(self, name: str, subset: Subset) -> Path:
        return self.folder / subset.value / f"{name}.json"
