"""A bank -> a file for other tools: JSONL, CSV, or the original project's cache. Written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from files.writing import write_file

from memory.disk import DiskBank
from memory.errors import BankError
from memory.values import CACHES, NAMED, Row


JSONL, CSV, ORIGINAL = "jsonl", "csv", "original"
FORMATS = (JSONL, CSV, ORIGINAL)
_COLUMNS = ("row", "sentence", *NAMED, "token_count", "truncated")


def export(bank: DiskBank, path: Path, form: str) -> int:
    """Write the rows that hold something; how many they are. Raises BankError where the file is there already."""
    if path.exists():
        raise BankError(path, "is there already", "remove it, or choose another --output")
    if form == ORIGINAL:
        from memory.originals import mapping_of, write_cache

        if path.suffix not in CACHES:
            raise BankError(path, "is not the name of a cache", "call it something.pt")
        if mapping_of(path).exists():
            raise BankError(mapping_of(path), "is there already", "remove it, or choose another --output")
        return write_cache(path, bank.ids(), bank.rows(), bank.shape, str(bank.folder.name))
    count = [0]
    write_file(path, (csv_lines if form == CSV else json_lines)(_counted(bank.rows(), count)))
    return count[0]


def json_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """Rows as records that a bank is built of again."""
    for row in rows:
        record = {"row": row.row, "sentence": row.sentence, **row.named}
        record |= {"token_count": row.token_count, "truncated": row.truncated}
        yield json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def csv_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """Rows as a table with a head."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    for row in rows:
        named = [row.named.get(name, "") for name in NAMED]
        writer.writerow([row.row, row.sentence, *named, row.token_count, str(row.truncated).lower()])
        yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8", "backslashreplace")


def _counted(rows: Iterable[Row], count: list[int]) -> Iterator[Row]:
    for row in rows:
        count[0] += 1
        yield row
