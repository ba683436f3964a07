"""`memory_bank.jsonl`: a line for each row that holds something, in their order, for people and their editors."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from checkpoints.forms import is_count

from memory.values import NAMED, Row


ROWS = "memory_bank.jsonl"
_LONGEST = 16 << 20  # bytes of a line
_BEGIN = re.compile(rb'\{"row": (\d{1,18}), ')  # how lines of ours begin


def encode_row(row: Row) -> bytes:
    """A row as its line."""
    record: dict[str, Any] = {"row": row.row, "sentence": row.sentence, **row.named}
    record |= {"token_count": row.token_count, "truncated": row.truncated, "token_ids": list(row.ids)}
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def decode_row(line: bytes) -> Row | None:
    """The row of a line; None where somebody has written something else there."""
    try:
        found = json.loads(line)
        row, sentence, count, ids = (found[name] for name in ("row", "sentence", "token_count", "token_ids"))
        named = {name: str(found[name]) for name in NAMED if name in found}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not (is_count(row) and is_count(count) and isinstance(sentence, str) and isinstance(ids, list)):
        return None
    if not all(map(is_count, ids)):
        return None
    return Row(row, sentence, count, found.get("truncated") is True, named, tuple(ids))


def read_rows(path: Path, wanted: Container[int] | None = None) -> Iterator[Row]:
    """The rows of a file in its order, all or those that are wanted; none where there is no file."""
    for line in _lines(path):
        begin = _BEGIN.match(line)
        if wanted is not None and begin and int(begin[1]) not in wanted:
            continue  # a line of JSON takes ten times as long
        if row := decode_row(line):
            yield row


def changed_rows(path: Path, changes: Mapping[int, Row | None]) -> Iterator[bytes]:
    """The lines of a file with other rows in their places; None is a row that is empty now."""
    left = dict(sorted(changes.items()))
    for line in _lines(path):
        number = _number(line)
        yield from _before(left, number)
        if number is not None and number in changes:
            if row := left.pop(number, None):
                yield encode_row(row)
        else:
            yield line if line.endswith(b"\n") else line + b"\n"
    yield from (encode_row(row) for row in left.values() if row)


def _before(left: dict[int, Row | None], number: int | None) -> Iterable[bytes]:
    while number is not None and left and (first := next(iter(left))) < number:
        if row := left.pop(first):
            yield encode_row(row)


def _number(line: bytes) -> int | None:
    if begin := _BEGIN.match(line):
        return int(begin[1])
    row = decode_row(line)
    return row.row if row else None


def _lines(path: Path) -> Iterator[bytes]:
    try:
        file = open(path, "rb")
    except FileNotFoundError:
        return
    with file:
        while line := file.readline(_LONGEST):
            yield line
