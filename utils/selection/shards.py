"""A folder of scores: what run it is of, which shards are done, and the manifest when all are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from checkpoints.documents import encode_document, read_document
from files.writing import PART, write_file
from telling.tools import named

from selection.errors import SelectionError
from selection.table import Scores, encode, open_scores
from selection.values import Reject


RUN, MANIFEST = "run.json", "manifest.json"
_FORM = 1
_OURS = re.compile(
    r"(?:(?:scores|rejects|shard)-\d{5,}\.(?:parquet|jsonl|json)|run\.json|manifest\.json)(?:\.\d+)?(?:\.part)?"
)
_UNNAMED = re.compile(r".*\.(?:parquet|jsonl|json)\.part")  # of releases that named no rank: nobody writes them now
_OF_SHARDS = re.compile(r"(?:scores|rejects|shard)-.*\.part")
_SHARD = re.compile(r"scores-(\d{5,})\.parquet")
_COUNTED = ("documents", "tokens", "padded_tokens", "seconds", "records")


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What became of a shard."""

    records: int  # read, rejects included
    documents: int
    tokens: int
    padded_tokens: int
    seconds: float
    rejects: dict[str, int]  # reason -> how many


@dataclass(frozen=True, slots=True)
class ScoreFolder:
    """Where scores are written; several processes may."""

    folder: Path
    rank: int = 0

    def open(self, run: Mapping[str, Any]) -> None:
        """Begin a run, or go on with it.

        Args:
            run: all that scores depend on.

        Raises:
            SelectionError: the folder is of another run, or holds what is not ours.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.folder.iterdir()):
            if not _OURS.fullmatch(path.name):
                raise SelectionError(
                    self.folder, f"contains {path.name}, which this command did not create", "choose another --output"
                )
            if path.name.endswith(self._part) or (not self.rank and _UNNAMED.fullmatch(path.name)):
                path.unlink(missing_ok=True)  # what a killed process of this rank left; others may be writing theirs
        found = self.folder / RUN
        run = {"run": _FORM, "fingerprint": fingerprint(run), **run}
        if not found.exists():
            self._put(RUN, run)
        _, known = read_document(found)
        if known.get("fingerprint") != run["fingerprint"]:
            other = next((name for name in run if known.get(name) != run[name] and name != "fingerprint"), "all")
            message = f"was begun by a run with another `{other}`"
            raise SelectionError(
                self.folder, message, "repeat that command, remove the folder, or choose another --output"
            )

    def is_done(self, number: int) -> bool:
        """Whether a shard is complete: its scores are what is written last."""
        return (self.folder / f"scores-{number:05}.parquet").exists()

    def write(
        self,
        number: int,
        rows: Sequence[Mapping[str, Any]],
        columns: pa.Schema,
        rejects: Sequence[Reject],
        facts: ShardFacts,
    ) -> None:
        """Write a shard: every file whole or not at all, the scores last.

        Args:
            number: of the shard, from 0.
            rows: a mapping for each document, with the columns' names.
            columns: names and types.
            rejects: the records that were not scored.
            facts: what became of the shard.
        """
        lines = [json.dumps(asdict(each), ensure_ascii=False).encode() + b"\n" for each in rejects]
        write_file(self.folder / f"rejects-{number:05}.jsonl", lines, part=self._part)
        write_file(self.folder / f"shard-{number:05}.json", [encode_document(asdict(facts))], part=self._part)
        write_file(self.folder / f"scores-{number:05}.parquet", [encode(rows, columns)], part=self._part)

    def finish(self, shards: int) -> dict[str, Any] | None:
        """Write the manifest where all shards are done; None where some are not."""
        if not all(map(self.is_done, range(shards))):
            return None
        _, run = read_document(self.folder / RUN)
        totals: dict[str, Any] = dict.fromkeys(_COUNTED, 0) | {"rejects": {}}
        for number in range(shards):
            _, facts = read_document(self.folder / f"shard-{number:05}.json")
            totals |= {name: totals[name] + facts[name] for name in _COUNTED}
            for reason, count in facts["rejects"].items():
                totals["rejects"][reason] = totals["rejects"].get(reason, 0) + count
        manifest = {**run, "manifest": _FORM, "shards": shards, "totals": totals}
        self._put(MANIFEST, manifest)
        for path in self.folder.iterdir():  # nobody writes a shard any more: these are of ranks that were killed
            if _OF_SHARDS.fullmatch(path.name):
                path.unlink(missing_ok=True)
        return manifest

    def _put(self, name: str, document: Mapping[str, Any]) -> None:
        write_file(self.folder / name, [encode_document(document)], part=self._part)

    @property
    def _part(self) -> str:
        """What names of unfinished files end with: this rank's alone."""
        return f".{self.rank}{PART}"


def read_folder(folder: Path) -> tuple[dict[str, Any], Scores]:
    """Manifest and scores of a complete folder. Raises SelectionError where it is not complete."""
    if not folder.is_dir():
        raise SelectionError(folder, "is not a folder", f"give one that {named('score')} has written")
    if not (folder / MANIFEST).exists():
        what = "is not complete: a run was interrupted" if (folder / RUN).exists() else f"holds no {MANIFEST}"
        fix = (
            f"run the same {named('score')} again: it goes on"
            if (folder / RUN).exists()
            else "give a folder of scores"
        )
        raise SelectionError(folder, what, fix)
    _, manifest = read_document(folder / MANIFEST)
    if manifest.get("manifest") != _FORM or not isinstance(manifest.get("shards"), int):
        raise SelectionError(folder / MANIFEST, "is not a manifest of this version", "score the corpus again")
    found = sorted((path, match) for path in folder.iterdir() if (match := _SHARD.fullmatch(path.name)))
    files = [path for path, _ in found]
    if [int(match[1]) for _, match in found] != list(range(manifest["shards"])):
        message = f"holds {len(files)} shards, and its manifest has {manifest['shards']}"
        raise SelectionError(folder, message, f"run the same {named('score')} again")
    return manifest, open_scores(folder, files)


def fingerprint(run: Mapping[str, Any]) -> str:
    """One digest of all that a run depends on."""
    return sha256(json.dumps(run, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
