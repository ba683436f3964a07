"""What stands before the tensors of a GGUF file, walked through before the library that reads it believes a number."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from checkpoints.errors import CheckpointError
from checkpoints.paths import TOO_LARGE


_ARCHITECTURE = b"general.architecture"
# Bytes of a value of each type of number, by the format's code of the type; text and lists have codes of their own
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT, _LIST = 8, 9
# The largest vocabularies have 300,000 words with a score, a kind and two merges each.
_MOST_ELEMENTS, _MOST_FIELDS, _MOST_TENSORS = 1 << 21, 10_000, 100_000
_LONGEST_TEXT, _MOST_DIMENSIONS, _DEEPEST = 1 << 24, 8, 4
_AGAIN = "fetch the file again"


class _Broken(Exception):
    """Why a file is no GGUF file, or which of its numbers no model has."""


@dataclass(slots=True)
class _Walk:
    """A place in a file, and how many elements of lists were passed."""

    data: mmap.mmap
    order: str = "<"
    at: int = 0
    elements: int = 0

    def number(self, form: str) -> int:
        layout = struct.Struct(self.order + form)
        self.skip(layout.size)
        (found,) = layout.unpack_from(self.data, self.at - layout.size)
        return int(found)

    def text(self) -> bytes:
        length = self.number("Q")
        if length > _LONGEST_TEXT:
            raise _Broken(f"a text of {length:,} bytes")
        self.skip(length)
        return self.data[self.at - length : self.at]

    def skip(self, size: int) -> None:
        self.at += size
        if self.at > len(self.data):
            raise _Broken("it ends in the middle of a field")


def check_gguf(path: Path) -> None:
    """Walk through the fields and the descriptions of tensors; no tensor is read.

    Raises CheckpointError where the file ends too early, names more elements than any model has, or no architecture.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            architecture = _walk(_Walk(data), len(data))
    except ValueError as error:  # an empty file cannot be mapped
        raise CheckpointError(path, f"is not a GGUF file: {error}", _AGAIN) from error
    except OverflowError as error:
        raise CheckpointError(path, f"has {error}", _AGAIN, code=TOO_LARGE) from error
    except _Broken as error:
        raise CheckpointError(path, f"is not a GGUF file: {error}", _AGAIN) from error
    if not architecture:
        raise CheckpointError(path, "does not say which architecture it has", _AGAIN)


def _walk(walk: _Walk, size: int) -> bytes:
    """The architecture's name; empty where there is none."""
    if size < 24 or walk.data[:4] != b"GGUF":
        raise _Broken("it does not begin as one")
    walk.at = 4
    version = walk.number("I")
    if not version & 0xFFFF:
        walk.order, walk.at = ">", 4
        version = walk.number("I")
    if version not in (2, 3):
        raise _Broken(f"it is of version {version}")
    tensors, fields = walk.number("Q"), walk.number("Q")
    if tensors > _MOST_TENSORS or fields > _MOST_FIELDS:
        raise OverflowError(f"{tensors:,} tensors and {fields:,} fields")
    architecture = b""
    for _ in range(fields):
        name, kind = walk.text(), walk.number("I")
        if name == _ARCHITECTURE and kind == _TEXT:
            architecture = walk.text()
        else:
            _pass(walk, kind, 0)
    for _ in range(tensors):
        _pass_tensor(walk, size)
    return architecture


def _pass(walk: _Walk, kind: int, depth: int) -> None:
    """Go past a value."""
    if kind in _SIZES:
        walk.skip(_SIZES[kind])
    elif kind == _TEXT:
        walk.text()
    elif kind == _LIST and depth < _DEEPEST:
        _pass_list(walk, depth)
    else:
        raise _Broken(f"a field of the kind {kind}")


def _pass_list(walk: _Walk, depth: int) -> None:
    kind, count = walk.number("I"), walk.number("Q")
    walk.elements += count
    if walk.elements > _MOST_ELEMENTS:
        raise OverflowError(f"lists of {walk.elements:,} elements")
    if kind in _SIZES:
        walk.skip(_SIZES[kind] * count)
        return
    for _ in range(count):
        _pass(walk, kind, depth + 1)


def _pass_tensor(walk: _Walk, size: int) -> None:
    """Go past the description of a tensor, which has at least a bit in the file for every number in it."""
    name, dimensions = walk.text(), walk.number("I")
    if dimensions > _MOST_DIMENSIONS:
        raise _Broken(f"a tensor of {dimensions:,} dimensions")
    elements = 1
    for _ in range(dimensions):
        elements *= walk.number("Q")
    walk.number("I")
    start = walk.number("Q")
    if elements > 8 * size or start > size:
        raise _Broken(f"`{name[:100].decode(errors='replace')}` is larger than the file")
