"""The append-only log of changes: a line of JSON each, on the disk before the change is made.

What was half written when a process died is a torn line, which is skipped and never taken away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checkpoints.forms import is_count

from memory.errors import BankError
from memory.locking import locked
from memory.values import NAMED, UNDO, Change


LOG = "memory_log.jsonl"
_LONGEST = 16 << 20  # bytes of a line
_BLOCK = 1 << 16
_NUMBERS = ("row", "number", "undoes", "token_count", "old_token_count")
_NAMES = ("named", "old_named")
_TEXTS = ("old_sentence", "new_sentence", "strategy", "by", "time")


class ChangeLog:
    """A log by its path; the file comes into being with the first change."""

    def __init__(self, path: Path | str, lock: Path | None = None) -> None:
        self.path = Path(path)
        self._lock = lock or self.path.with_name(f"{self.path.name}.lock")

    @property
    def size(self) -> int:
        """Bytes."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, changes: Sequence[Change]) -> list[Change]:
        """Write changes behind the others, numbered and with the time; they are on the disk when this returns."""
        with locked(self._lock):
            number, time = self._last_number(), datetime.now(UTC).isoformat(timespec="milliseconds")
            numbered = [replace(each, number=number + place, time=time) for place, each in enumerate(changes, 1)]
            if numbered:
                self._write(b"".join(_line(each) for each in numbered))
            return numbered

    def read(self, start: int = 0) -> Iterator[tuple[int, Change]]:
        """The changes that begin at a byte or behind it, each with the byte behind it. Torn lines are skipped."""
        try:
            file = open(self.path, "rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(start)
            while line := file.readline(_LONGEST):
                if change := _change(line):
                    yield file.tell(), change

    def undoable(self, count: int) -> list[Change]:
        """The last changes that nobody took back, newest first: so many, or all that there are."""
        kept: dict[int, Change] = {}
        for _, change in self.read():
            if change.undoes:
                kept.pop(change.undoes, None)
            else:
                kept[change.number] = change
        return [kept[number] for number in sorted(kept, reverse=True)[:count]]

    def cut(self, size: int) -> None:
        """Take back what was appended behind a byte and never done; the caller holds the lock of the bank."""
        os.truncate(self.path, size)

    def _write(self, data: bytes) -> None:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        with os.fdopen(handle, "rb+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size and file.seek(size - 1) and file.read(1) != b"\n":
                data = b"\n" + data  # behind a torn line
            try:
                while data:
                    data = data[file.write(data) :]
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, size)
                raise

    def _last_number(self) -> int:
        """Of the last line that is whole, read from the end."""
        if not self.size:
            return 0
        with open(self.path, "rb") as file:
            end, tail = self.size, b""
            while end:
                begin = max(0, end - _BLOCK)
                file.seek(begin)
                tail, end = file.read(end - begin) + tail, begin
                lines = tail.split(b"\n")
                found = (_change(line) for line in reversed(lines if not begin else lines[1:]))
                if last := next((each for each in found if each), None):
                    return last.number
        return 0


class MemoryLog:
    """A log that is kept while a process runs, and no longer: the last `most` changes."""

    def __init__(self, most: int = 100_000) -> None:
        self._changes: list[Change] = []
        self._number, self._most = 0, most

    def append(self, changes: Sequence[Change]) -> list[Change]:
        """As `ChangeLog.append`."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        numbered = [replace(each, number=self._number + place, time=time) for place, each in enumerate(changes, 1)]
        self._number += len(numbered)
        undone = {each.undoes for each in numbered if each.undoes}
        kept = [each for each in self._changes if each.number not in undone]
        self._changes = [*kept, *(each for each in numbered if not each.undoes)][-self._most :]
        return numbered

    def undoable(self, count: int) -> list[Change]:
        """As `ChangeLog.undoable`."""
        return self._changes[::-1][:count]


Log = ChangeLog | MemoryLog


def taken_back(change: Change, by: str) -> Change:
    """The change that takes another one back."""
    return Change(
        change.row,
        change.new_ids,
        change.new_sentence,
        change.old_ids,
        change.old_sentence,
        UNDO,
        by,
        undoes=change.number,
        token_count=change.old_token_count,
        old_token_count=change.token_count,
        named=change.old_named,
        old_named=change.named,
    )


def check_undo(count: int, place: Path | str) -> None:
    """Raise BankError where so many changes cannot be taken back."""
    if count < 1:
        raise BankError(place, f"cannot take back {count} changes", "give 1 or more")


def as_record(change: Change) -> dict[str, Any]:
    """A change as it is written: without what says nothing."""
    record = asdict(change)
    order = ("number", "time", "row", "old_ids", "old_sentence", "new_ids", "new_sentence", "strategy", "by")
    ordered = {name: record.pop(name) for name in order}
    return ordered | {name: value for name, value in record.items() if value}


def _line(change: Change) -> bytes:
    text = json.dumps(as_record(change), ensure_ascii=False, separators=(", ", ": "))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _change(line: bytes) -> Change | None:
    """None where the line is torn, or not of this form."""
    try:
        found = json.loads(line)
        numbers = {name: found.get(name, 0) for name in _NUMBERS}
        texts = {name: found.get(name, "") for name in _TEXTS}
        ids = {name: tuple(found[name]) for name in ("old_ids", "new_ids")}
        named: dict[str, Any] = {
            name: {each: str(found[name][each]) for each in NAMED if each in found[name]}
            for name in _NAMES
            if name in found
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    whole = all(map(is_count, numbers.values())) and all(is_count(each) for some in ids.values() for each in some)
    if not whole or not numbers["number"] or not all(isinstance(text, str) for text in texts.values()):
        return None
    return Change(**{**numbers, **texts, **ids, **named})
