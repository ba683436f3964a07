"""Headers of safetensors files, read and written without loading a tensor."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from checkpoints.documents import LARGEST, parse
from checkpoints.errors import CheckpointError
from checkpoints.forms import is_count
from checkpoints.paths import TOO_LARGE


BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
_LENGTH = struct.Struct("<Q")
LONGEST_NAME = 4096
_AGAIN = "fetch the file again"


@dataclass(frozen=True, slots=True)
class Tensor:
    """What a tensor is: its name, type (as safetensors spells it) and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * BITS[self.dtype] // 8


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of a file in the order of their bytes, and where in the file each one begins."""

    tensors: Mapping[str, Tensor]
    starts: Mapping[str, int]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_header(path: Path) -> Header:
    """Raises CheckpointError where the file is truncated, or its header does not describe exactly what follows it."""
    total = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(_LENGTH.size) if total else b""  # files of /proc have no size, and some have no end
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        if not 2 <= length <= max(0, total - _LENGTH.size):
            raise CheckpointError(path, "is not a safetensors file, or is truncated in its header", _AGAIN)
        if length > LARGEST:
            message = f"has a header of {length:,} bytes, and {LARGEST:,} are the most that is read"
            raise CheckpointError(path, message, _AGAIN, code=TOO_LARGE)
        text = file.read(length)
    entries = _parse(path, text)
    metadata = entries.pop("__metadata__", {})
    begin = _LENGTH.size + length
    placed = sorted(((_span(path, name, entry), name) for name, entry in entries.items()))
    tensors, starts, at = {}, {}, 0
    for (start, end), name in placed:
        tensor = _tensor(path, name, entries[name])
        if start != at or end - start != tensor.size:
            message = f"the bytes of `{name}` are not those of {list(tensor.shape)} {tensor.dtype} in a row"
            raise CheckpointError(path, message, _AGAIN)
        tensors[name], starts[name], at = tensor, begin + start, end
    if begin + at != total:
        word = "is truncated" if total < begin + at else "is too long"
        raise CheckpointError(path, f"{word}: {total:,} bytes, but its header describes {begin + at:,}", _AGAIN)
    return Header(tensors, starts, metadata)


def encode_header(tensors: Iterable[Tensor], metadata: Mapping[str, str]) -> bytes:
    """The bytes that go before those of the tensors, in their order."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for tensor in tensors:
        entries[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.size],
        }
        at += tensor.size
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # readers map tensors where they are, so they should be aligned
    return _LENGTH.pack(len(text)) + text


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        _, entries = parse(text)
    except ValueError as error:  # of Unicode as well as of json
        raise CheckpointError(path, f"has a header that cannot be read: {error}", _AGAIN) from error
    except OverflowError as error:
        raise CheckpointError(path, f"has a header that {error}", _AGAIN, code=TOO_LARGE) from error
    if not isinstance(entries, dict) or not isinstance(entries.get("__metadata__", {}), dict):
        raise CheckpointError(path, "has a header that lists no tensors", _AGAIN)
    if any(not isinstance(value, str) for value in entries.get("__metadata__", {}).values()):
        raise CheckpointError(path, "has notes in its header that are not text", _AGAIN)
    if any(len(name) > LONGEST_NAME for name in entries):
        raise CheckpointError(path, f"names a tensor in more than {LONGEST_NAME:,} characters", _AGAIN)
    return entries


def _span(path: Path, name: str, entry: Any) -> tuple[int, int]:
    span = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not (isinstance(span, list) and len(span) == 2 and all(is_count(each) for each in span)):
        raise CheckpointError(path, f"does not say where `{name}` is", _AGAIN)
    return span[0], span[1]


def _tensor(path: Path, name: str, entry: Mapping[str, Any]) -> Tensor:
    dtype, shape = entry.get("dtype"), entry.get("shape")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise CheckpointError(path, f"`{name}` is of the unknown type {dtype!r}", "update this project, or convert it")
    if not isinstance(shape, list) or not all(is_count(each) for each in shape):
        raise CheckpointError(path, f"`{name}` has no shape, but {shape!r}", _AGAIN)
    if not _fits(shape):
        raise CheckpointError(path, f"`{name}` has more elements than any file: {shape!r}", _AGAIN)
    return Tensor(name, dtype, tuple(shape))


def _fits(shape: list[int]) -> bool:
    """Whether a tensor of this shape, were it not empty, has less than 2^63 elements; large numbers are not multiplied."""
    elements = 1
    return all((elements := elements * (size or 1)) < 1 << 63 for size in shape)
