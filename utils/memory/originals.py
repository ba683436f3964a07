"""The original project's cache of a bank: `knowledge_cache.pt`, a bare tensor, and `knowledge_cache_mapping.json`.

Needs torch, since the tensor is pickled; nothing else in such a file is ever run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from checkpoints.paths import is_there, regular_file
from diagnostics.errors import words_of
from files.writing import write_file

from memory.errors import BankError
from memory.rows_file import encode_row
from memory.values import NAMED, Row, Shape


_LARGEST = 2 << 30  # bytes of a mapping: a million rows have some hundred megabytes
_FORMS = (torch.int64, torch.int32, torch.int16, torch.uint8)
_AGAIN = "make the cache again, or build the bank of its JSON"


def mapping_of(path: Path) -> Path:
    """Where the readable side of a cache is."""
    return path.with_name(f"{path.name.removesuffix(path.suffix)}_mapping.json")


def read_cache(path: Path) -> np.ndarray:
    """The rows of a cache, int [N, K]. Raises BankError where the file is no tensor of whole numbers in rows."""
    try:
        found = torch.load(regular_file(path), map_location="cpu", weights_only=True, mmap=True)
    except OSError:
        raise
    except Exception as error:  # pickles fail in as many ways as there are bytes
        raise BankError(path, f"is not a saved tensor: {words_of(error)[:200]}", _AGAIN) from error
    if not isinstance(found, torch.Tensor):
        raise BankError(path, f"holds no tensor, but {type(found).__name__}", _AGAIN)
    if found.dim() != 2:
        raise BankError(path, f"has the shape {list(found.shape)}, and a bank has rows of tokens: [N, K]", _AGAIN)
    if found.dtype not in _FORMS:
        raise BankError(path, f"is of the type {found.dtype}, and tokens are whole numbers", _AGAIN)
    return found.numpy()


def read_mapping(path: Path) -> dict[int, Row]:
    """Row -> its sentence, as the readable side of a cache has it; nothing where it is not there.

    Raises BankError where it is no such file.
    """
    place = mapping_of(path)
    if not is_there(place):
        return {}
    if regular_file(place).stat().st_size > _LARGEST:
        raise BankError(place, f"has more than {_LARGEST:,} bytes", "leave it out: move it away")
    try:
        document = json.loads(place.read_text(encoding="utf-8"))
        return {each["database_index"]: _row(each) for each in document["mappings"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = words_of(error, whole=True, kind=True)[:200]
        raise BankError(place, f"is not a mapping of a cache: {said}", "leave it out: move it away") from error


def write_cache(path: Path, ids: np.ndarray, rows: Iterable[Row], shape: Shape, source: str) -> int:
    """Write a bank as a cache with its readable side, each whole or not at all; how many sentences that are.

    Args:
        path: of `knowledge_cache.pt`; its readable side lies beside it.
        ids: [N, K].
        rows: those that hold something, in their order.
        shape: what the bank is made for.
        source: where it comes from, for the readable side.
    """
    packed = BytesIO()
    torch.save(torch.from_numpy(np.asarray(ids).astype(np.int64)), packed)
    count = [0]
    write_file(mapping_of(path), _mapping(rows, shape, source, count))
    write_file(path, [packed.getbuffer()])
    return count[0]


def _mapping(rows: Iterable[Row], shape: Shape, source: str, count: list[int]) -> Iterator[bytes]:
    metadata: dict[str, Any] = {
        "knowledge_num": shape.knowledge_num,
        "knowledge_length": shape.knowledge_length,
        "source_file": source,
        "generation_time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    yield b'{\n  "mappings": ['
    for row, mark in zip(rows, chain([""], iter(lambda: ",", None)), strict=False):
        count[0] += 1
        yield f"{mark}\n    {json.dumps(_entry(row), ensure_ascii=False)}".encode("utf-8", "backslashreplace")
    text = json.dumps({"total_entries": count[0], **metadata}, ensure_ascii=False, indent=4)
    yield f'\n  ],\n  "metadata": {text}\n}}\n'.encode()


def _entry(row: Row) -> dict[str, Any]:
    entry = {"database_index": row.row, "sentence": row.sentence, **{name: row.named.get(name, "") for name in NAMED}}
    return entry | {"token_count": row.token_count, "is_truncated": row.truncated}


def _row(entry: Mapping[str, Any]) -> Row:
    """An entry of a mapping; its tokens are in the tensor."""
    named = {name: str(entry[name]) for name in NAMED if entry.get(name) not in (None, "")}
    count, row = entry.get("token_count", 0), entry["database_index"]
    if not isinstance(row, int) or not isinstance(count, int):
        raise TypeError(f"`database_index` is {row!r}, `token_count` {count!r}")
    made = Row(row, str(entry["sentence"]), count, bool(entry.get("is_truncated")), named)
    encode_row(made)
    return made
