"""A bank on disk: rows read where they are, and changed so that whoever is killed leaves the bank as it was or as it is
to be. A change is in the log first; then the weights, the lines and the manifest follow, and who opens the bank after a
crash completes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from checkpoints.documents import encode_document
from checkpoints.manifest import MANIFEST as OF_CHECKPOINT
from checkpoints.paths import is_there, regular_file
from files.folders import sync_folder
from files.writing import write_file
from telling.tools import typed

from memory.bank_files import (
    LOCK,
    MANIFEST,
    TYPES,
    read_manifest,
    write_hashed,
    write_manifest,
    write_patched,
)
from memory.encoding import check_ids, encode_one, load_tokenizer, padded, row_of, unpadded
from memory.errors import BankError
from memory.locking import locked
from memory.log import LOG, ChangeLog, check_undo, taken_back
from memory.rows_file import ROWS, changed_rows, read_rows
from memory.values import EDIT, FORGET, Change, Row, Shape


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AT_A_TIME = 4096  # rows


@dataclass(frozen=True)
class DiskBank:
    """A bank's folder, or a gated checkpoint that has a bank among its weights."""

    folder: Path
    weights: str  # the file with the rows
    tensor: str  # its name there
    start: int  # byte at which they begin
    dtype: str  # one of TYPES
    shape: Shape
    tokenizer_at: Path
    in_checkpoint: bool = False
    manifest: Mapping[str, Any] = field(default_factory=dict)  # of the checkpoint, where it has one

    @property
    def log(self) -> ChangeLog:
        """Every change of the bank."""
        return ChangeLog(self.folder / LOG, self._lock)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The one that the bank was built with."""
        return load_tokenizer(self.tokenizer_at)

    @property
    def name(self) -> str:
        """Of its tokenizer."""
        return self.shape.tokenizer

    def ids(self) -> np.ndarray:
        """The rows, [N, K], mapped from the file and read only."""
        self.finish_changes()
        return self._mapped()

    def rows(self, wanted: Sequence[int] | None = None) -> Iterator[Row]:
        """Rows as people read them, in their order: these, or all that hold something.

        A line of the file of rows is believed where its tokens are those of the bank. Others are read off their tokens.
        """
        ids, lines = self.ids(), read_rows(self.folder / ROWS, None if wanted is None else set(wanted))
        line = next(lines, None)
        for row in self._numbers(ids, wanted):
            while line is not None and line.row < row:
                line = next(lines, None)
            kept = unpadded(np.asarray(ids[row]), self.shape.pad_token_id)
            if not kept:
                yield Row(row, "", 0, False)
            elif line is not None and line.row == row and line.ids == kept:
                yield line
            else:
                yield row_of(row, np.asarray(ids[row]), self.tokenizer, self.shape.pad_token_id)

    def edit(
        self, sentences: Mapping[int, str], by: str = "", strategy: str = EDIT, frozen: bool = False
    ) -> list[Change]:
        """Give rows other sentences; an empty text takes a row away. The changes, as they are in the log.

        Raises BankError where a row is out of range, or frozen and `frozen` is False, or a sentence has no token.

        Args:
            sentences: row -> text.
            by: who or what does it, for the log.
            strategy: how the rows were chosen, for the log.
            frozen: whether frozen rows may be changed.
        """
        new = {}
        for row, sentence in sentences.items():
            self.check_row(row, frozen)
            is_text = bool(sentence.strip())
            new[row] = encode_one(self.tokenizer, sentence, self.shape, f"row {row}") if is_text else (None, 0)
        with locked(self._lock):
            old = {row.row: row for row in self.rows(sorted(new))}
            changes = []
            for row, (ids, count) in new.items():
                kept = () if ids is None else unpadded(ids, self.shape.pad_token_id)
                done = strategy if ids is not None else FORGET
                was, text = old[row], sentences[row] if kept else ""
                change = Change(row, was.ids, was.sentence, kept, text, done, by)
                changes.append(
                    replace(change, token_count=count, old_token_count=was.token_count, old_named=was.named)
                )
            return self._do(changes)

    def undo(self, count: int = 1, by: str = "") -> list[Change]:
        """Take back the last changes, newest first. Raises BankError where a row is not as the log says any more."""
        check_undo(count, self.log.path)
        with locked(self._lock):
            self.finish_changes()
            changes: list[Change] = []
            now: dict[int, tuple[int, ...]] = {}
            for change in self.log.undoable(count):
                self.check_row(change.row, frozen=True)
                ids = now.get(change.row, unpadded(np.asarray(self._mapped()[change.row]), self.shape.pad_token_id))
                if ids != change.new_ids:
                    message = f"row {change.row} is not what change {change.number} of the log made of it"
                    raise BankError(self.folder, message, f"edit the row instead: {typed('memory')} edit")
                now[change.row] = change.old_ids
                changes.append(taken_back(change, by))
            return self._do(changes)

    def note(self, changes: Sequence[Change]) -> None:
        """Put changes that a running model has made into the log; `finish_changes` writes them into the weights."""
        with locked(self._lock):
            self.log.append(changes)

    def check_row(self, row: int, frozen: bool = False) -> None:
        """Raise BankError where there is no such row, or it is frozen and may not be changed."""
        num, first = self.shape.knowledge_num, self.shape.frozen_rows
        if not 0 <= row < num:
            raise BankError(self.folder, f"has no row {row}", f"give a row from 0 to {num - 1}")
        if row < first and not frozen:
            message = f"row {row} is frozen: the first {first} rows are"
            raise BankError(self.folder, message, "give --frozen to change it all the same")

    def finish_changes(self) -> int:
        """Complete what a process has begun that was killed; how many rows that were."""
        with locked(self._lock) if self._pending() else nullcontext():
            if not (pending := self._pending()):
                return 0
            self._write(pending)
            return len(pending)

    @property
    def _lock(self) -> Path:
        return self.folder / LOCK

    def _mapped(self) -> np.ndarray:
        size = (self.shape.knowledge_num, self.shape.knowledge_length)
        return np.memmap(self.folder / self.weights, TYPES[self.dtype], "r", self.start, size)

    def _numbers(self, ids: np.ndarray, wanted: Sequence[int] | None) -> Iterator[int]:
        if wanted is not None:
            yield from sorted(wanted)
            return
        for start in range(0, len(ids), _AT_A_TIME):
            used = (np.asarray(ids[start : start + _AT_A_TIME]) != self.shape.pad_token_id).any(1)
            yield from (np.flatnonzero(used) + start).tolist()

    def _do(self, changes: Sequence[Change]) -> list[Change]:
        """Log changes and make them; the lock is held. Where they cannot be made, the log is as it was."""
        self.finish_changes()
        before, log, state = self.log.size, self.log, self._state()
        done = log.append(changes)
        if done:
            try:
                self._write({change.row: change for change in done}, state)
            except BaseException:
                if self._state()["log_bytes"] == state["log_bytes"] and self._is_as_before(done):
                    log.cut(before)
                raise
        return done

    def _is_as_before(self, changes: Sequence[Change]) -> bool:
        ids, pad = self._mapped(), self.shape.pad_token_id
        first = {change.row: change.old_ids for change in reversed(changes)}
        return all(unpadded(np.asarray(ids[row]), pad) == old for row, old in first.items())

    def _state(self) -> dict[str, Any]:
        """Up to which byte the log was dealt with; of a bank's folder, the whole manifest."""
        path = self.folder / MANIFEST
        if self.in_checkpoint and not is_there(path):
            return {"format": 1, "log_bytes": 0}
        return read_manifest(self.folder)

    def _pending(self) -> dict[int, Change]:
        """Row -> the last change of it that is in the log and perhaps not in the weights."""
        begin = self._state()["log_bytes"]
        return {change.row: change for _, change in self.log.read(begin)} if self.log.size > begin else {}

    def _write(self, changes: Mapping[int, Change], state: Mapping[str, Any] | None = None) -> None:
        state = dict(state or self._state())
        width = np.dtype(TYPES[self.dtype]).itemsize * self.shape.knowledge_length
        patches = {}
        for row, change in changes.items():
            self._check(change)
            patches[self.start + row * width] = padded(change.new_ids, self.shape).astype(TYPES[self.dtype]).tobytes()
        end = self.log.size
        path = self.folder / self.weights
        regular_file(path)
        digests = {self.weights: write_patched(path, patches)}
        if is_there(self.folder / ROWS) or not self.in_checkpoint:
            lines = changed_rows(self.folder / ROWS, self._lines(changes))
            digests[ROWS] = write_hashed(self.folder / ROWS, lines)
        self._note_digests(digests, state)
        write_manifest(self.folder, state | {"log_bytes": end})
        sync_folder(self.folder)

    def _lines(self, changes: Mapping[int, Change]) -> dict[int, Row | None]:
        length = self.shape.knowledge_length
        lines: dict[int, Row | None] = {}
        for row, change in changes.items():
            count = change.token_count or len(change.new_ids)
            line = Row(row, change.new_sentence, count, count > length, change.named, change.new_ids)
            lines[row] = line if change.new_ids else None
        return lines

    def _note_digests(self, digests: Mapping[str, str], state: dict[str, Any]) -> None:
        """Sizes and SHA-256 of files that were written, in the manifest of the bank, or in that of its checkpoint."""
        found = {
            name: {"size": (self.folder / name).stat().st_size, "sha256": digest} for name, digest in digests.items()
        }
        if not self.in_checkpoint:
            state["files"] = {**state.get("files", {}), **found}
        elif entry := self.manifest.get("files", {}).get(self.weights):
            kept = {name: value for name, value in entry.items() if name not in ("modified", "from", "how")}
            files = {**self.manifest["files"], self.weights: kept | found[self.weights]}
            write_file(self.folder / OF_CHECKPOINT, [encode_document({**self.manifest, "files": files})])

    def _check(self, change: Change) -> None:
        """Raise BankError where a change of the log does not fit the bank."""
        place = f"{self.log.path}: change {change.number}"
        self.check_row(change.row, frozen=True)
        if len(change.new_ids) > self.shape.knowledge_length:
            message = f"has {len(change.new_ids)} tokens, and a row has {self.shape.knowledge_length}"
            raise BankError(place, message, "move the log away: it is of another bank")
        check_ids(np.asarray([change.new_ids], np.int64), self.shape, place, change.row)
