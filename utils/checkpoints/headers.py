"""Headers of safetensors files, read and written without loading a tensor."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from checkpoints.errors import CheckpointError


BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
_LENGTH = struct.Struct("<Q")
_LONGEST = 100_000_000  # what the format allows a header to take
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
        if not 2 <= length <= min(_LONGEST, max(0, total - _LENGTH.size)):
            raise CheckpointError(path, "is no safetensors file, or is truncated in its header", _AGAIN)
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


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An `object_pairs_hook` for json: ValueError where a key is there twice, which json alone lets pass."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"`{next(name for name in names if names.count(name) > 1)}` is there twice")
    return found


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:  # of Unicode as well as of json
        raise CheckpointError(path, f"has a header that cannot be read: {error}", _AGAIN) from error
    if not isinstance(entries, dict) or not isinstance(entries.get("__metadata__", {}), dict):
        raise CheckpointError(path, "has a header that lists no tensors", _AGAIN)
    return entries


def _span(path: Path, name: str, entry: Any) -> tuple[int, int]:
    span = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not (isinstance(span, list) and len(span) == 2 and all(_is_size(each) for each in span)):
        raise CheckpointError(path, f"does not say where `{name}` is", _AGAIN)
    return span[0], span[1]


def _tensor(path: Path, name: str, entry: Mapping[str, Any]) -> Tensor:
    dtype, shape = entry.get("dtype"), entry.get("shape")
    if dtype not in BITS:
        raise CheckpointError(path, f"`{name}` is of the unknown type {dtype!r}", "update this project, or convert it")
    if not isinstance(shape, list) or not all(_is_size(each) for each in shape):
        raise CheckpointError(path, f"`{name}` has no shape, but {shape!r}", _AGAIN)
    return Tensor(name, dtype, tuple(shape))


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
