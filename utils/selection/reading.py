"""Records of files, folders and data sets, one after the other: a broken one is told, and never ends the reading."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from checkpoints.errors import refused_by_the_system
from diagnostics.errors import words_of

from selection.errors import SelectionError
from selection.values import NO_JSON, NOT_UTF8, TARGET_COLUMNS, TOO_LARGE, WRONG_TYPE, Raw


LARGEST = 64 << 20  # bytes of a record
LINES, ARRAY, PARQUET, TABLE = (".jsonl", ".ndjson"), (".json",), (".parquet",), {".csv": ",", ".tsv": "\t"}
ENDINGS = (*LINES, *ARRAY, *PARQUET, *TABLE)
_PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
_KNOWN = ", ".join(ENDINGS)
_ROWS = 512  # of a Parquet file at a time
_CHUNK = 1 << 20
_TOO_WIDE = "has more values than the first line has names of columns"


@dataclass(frozen=True, slots=True)
class CorpusPart:
    """A file of the corpus, or a split of a data set."""

    name: str  # the path below what was given, or "name/config/split"
    source: str
    path: Path | None = None
    size: int = 0

    @property
    def kind(self) -> str:
        """How its records are written: the ending of its name, without that of its compression."""
        return _endings(self.path)[0] if self.path else ""


def find_parts(data: str) -> list[CorpusPart]:
    """The files that `data` leads to, sorted: a file, a folder of them, or a data set's name (`name`, `name:split`).

    Raises SelectionError where there is none.
    """
    if data == "-":
        raise SelectionError(
            data, "stands for standard input, which cannot be read twice", "write it into a file first"
        )
    path = Path(data).expanduser()
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and _is_data(each.relative_to(path)))
        if not found:
            raise SelectionError(path, f"holds no file of the kinds {_KNOWN}", "give a folder of such files")
        return [_part(each, each.relative_to(path)) for each in found]
    if path.exists():
        if not path.is_file():
            raise SelectionError(path, "is not a file, but a pipe, a socket or a device", "give a file")
        if not _endings(path)[0]:
            raise SelectionError(path, f"has none of the endings {_KNOWN}", "write its records in one of these forms")
        return [_part(path, Path(path.name))]
    looks_like_file = data.startswith((".", "/", "~")) or _endings(path)[0] or data.count("/") > 1
    if looks_like_file:
        raise SelectionError(path, "does not exist", "check the path")
    return [CorpusPart(data, data.partition(":")[0].rsplit("/", 1)[-1])]


def read(part: CorpusPart) -> Generator[Raw, None, None]:
    """The records of a part, in their order. Raises SelectionError where a whole file cannot be read."""
    reached = _Reached()
    records = _data_set(part, reached) if part.path is None else _file(part, part.path, reached)
    for number, (line, record, reason, detail) in enumerate(records):
        yield Raw(part.source, f"{part.name}:{line}", number, record, reason, detail, reached.share())


class _Reached:
    """How far the reading of a part has come."""

    share: Callable[[], float] = staticmethod(lambda: 0.0)

    def of(self, place: Callable[[], int], size: int) -> None:
        """From now on by a place in so many bytes."""
        self.share = lambda: min(1.0, place() / max(size, 1))


Found = tuple[int, Any, str, str]  # line or row from 1, record, reason, detail


def _file(part: CorpusPart, path: Path, reached: _Reached) -> Iterator[Found]:
    try:
        if part.kind in PARQUET:
            yield from _parquet(path, reached)
            return
        with _open(path)[0] as file:
            is_array = part.kind in ARRAY and _first(file) == b"["
        file, place = _open(path)
        reached.of(place, part.size)
        with file:
            yield from _table(file, TABLE[part.kind]) if part.kind in TABLE else (_array if is_array else _lines)(file)
    except (pa.ArrowException, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system; unpacking fails without a number
            raise refused_by_the_system(error, path) from error
        packed = _endings(path)[1]
        said = f"cannot be unpacked as {packed}, as its name says" if packed else "cannot be read"
        fix = "fetch the file again, give it the name of what it is, or leave it out"
        raise SelectionError(path, f"{said}: {words_of(error)}", fix) from error


def _lines(file: IO[bytes]) -> Iterator[Found]:
    number = 0
    while line := file.readline(LARGEST + 1):
        number += 1
        if len(line) > LARGEST:
            while line and not line.endswith(b"\n"):
                line = file.readline(_CHUNK)
            yield number, None, TOO_LARGE, f"has more than {LARGEST:,} bytes"
        elif line.strip():
            yield number, *_parsed(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)


def _table(file: IO[bytes], delimiter: str) -> Iterator[Found]:
    """The rows of a table, whose first line names the columns; numbers stay text, but for targets."""
    csv.field_size_limit(LARGEST)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    rows, before = csv.DictReader(text, delimiter=delimiter), 0
    while True:
        try:
            if not rows.fieldnames:  # reads the first line, where that was not read yet
                return
            before = rows.line_num
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield before + 1, None, WRONG_TYPE, f"is not a row of a table: {error}"
        else:
            wide = None in row
            yield before + 1, None if wide else _numbered(row), *((WRONG_TYPE, _TOO_WIDE) if wide else ("", ""))


def _numbered(row: dict[str, Any]) -> dict[str, Any]:
    """A row with targets as numbers, where they are, and without those that are blank."""
    found = {name: value for name, value in row.items() if value is not None and (value or name not in TARGET_COLUMNS)}
    for column in found.keys() & TARGET_COLUMNS:
        with suppress(ValueError):
            found[column] = float(found[column])
    return found


def _parsed(line: bytes) -> tuple[Any, str, str]:
    try:
        return json.loads(line.decode()), "", ""
    except UnicodeDecodeError as error:
        return None, NOT_UTF8, f"byte {error.start} is {line[error.start]:#04x}"
    except (ValueError, RecursionError) as error:
        return None, NO_JSON, str(error)[:200]


def _array(file: IO[bytes]) -> Iterator[Found]:
    """The elements of a list, found by its brackets and quotes, so that a broken one ends at its comma."""
    depth, in_text, escaped, element, number = 0, False, False, bytearray(), 0
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        start = 0
        for place, byte in enumerate(chunk):
            if in_text:
                escaped, in_text = (not escaped and byte == 92), escaped or byte != 34
            elif byte == 34:
                in_text = True
            elif byte in b"[{":
                depth += 1
                if depth == 1:
                    start = place + 1
            elif byte in b"]}" or (byte == 44 and depth == 1):
                depth -= byte != 44
                if depth == 0 or (byte == 44 and depth == 1):
                    element += chunk[start:place]
                    start = place + 1
                    if element.strip():
                        number += 1
                        yield number, *_parsed(bytes(element))
                    element.clear()
                    if depth == 0:
                        return
        element += chunk[start:]
        if len(element) > LARGEST:
            yield number + 1, None, TOO_LARGE, f"has more than {LARGEST:,} bytes, and what follows it is not read"
            return
    yield number + 1, None, NO_JSON, "the list has no end"


def _parquet(path: Path, reached: _Reached) -> Iterator[Found]:
    with pq.ParquetFile(path) as file:
        row = 0
        reached.of(lambda: row, file.metadata.num_rows)
        for batch in file.iter_batches(batch_size=_ROWS):
            try:
                records = batch.to_pylist()
            except UnicodeDecodeError:
                records = [_row(batch, number) for number in range(batch.num_rows)]
            for record in records:
                row += 1
                is_text = record is not None
                yield row, record, "" if is_text else NOT_UTF8, "" if is_text else "a text is not UTF-8"


def _row(batch: pa.RecordBatch, number: int) -> Any:
    try:
        return batch.slice(number, 1).to_pylist()[0]
    except UnicodeDecodeError:
        return None


def _data_set(part: CorpusPart, reached: _Reached) -> Iterator[Found]:
    """A split of a data set by its name: from the cache of `datasets`, or the Hub."""
    from datasets import load_dataset

    name, _, split = part.name.partition(":")
    config, _, split = split.rpartition(":")
    try:
        found = load_dataset(name, config or None, split=split or "train")
    except Exception as error:  # of the network, the cache, the data set: `datasets` has a class for each
        fix = "check the name (NAME, NAME:SPLIT or NAME:CONFIG:SPLIT), fetch it while online, or give files"
        raise SelectionError(
            name, f"is neither a file nor a data set that can be loaded: {words_of(error)}", fix
        ) from error
    row = 0
    reached.of(lambda: row, len(found))
    for row, record in enumerate(found, 1):
        is_object = isinstance(record, dict)
        yield row, record, "" if is_object else WRONG_TYPE, ""


def _open(path: Path) -> tuple[IO[bytes], Callable[[], int]]:
    """A file as it was before it was packed, and what says how many bytes of it were read."""
    packed = _endings(path)[1]
    if not packed:
        file = open(path, "rb")
        return file, file.tell
    raw = pa.OSFile(str(path))
    return io.BufferedReader(pa.CompressedInputStream(raw, packed), _CHUNK), raw.tell


def _first(file: IO[bytes]) -> bytes:
    head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head[:1]


def _part(path: Path, name: Path) -> CorpusPart:
    """A file; its source is the folder that it is in below what was given, else its own name without endings."""
    source = name.parts[0]
    while len(name.parts) == 1 and Path(source).suffix in (*_PACKED, *ENDINGS):
        source = Path(source).stem
    return CorpusPart(_shown(name.as_posix()), _shown(source), path, path.stat().st_size)


def _shown(name: str) -> str:
    """A name on disk as text that can be written down: it may be any bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_data(path: Path) -> bool:
    return bool(_endings(path)[0]) and not any(part.startswith((".", "_")) for part in path.parts)


def _endings(path: Path) -> tuple[str, str]:
    """How a file is written and how it is packed: (".jsonl", "gzip"); empty where its name does not say."""
    packed = _PACKED.get(path.suffix, "")
    kind = Path(path.stem).suffix if packed else path.suffix
    return (kind if kind in ENDINGS else ""), packed
