"""Tensors of `pytorch_model*.bin`: mapped into memory, never executed. Needs torch."""

from __future__ import annotations

import errno
import pickle
import zipfile
from collections.abc import Iterator
from typing import Any

import torch
from diagnostics.errors import words_of

from checkpoints.documents import LARGEST, read_document
from checkpoints.errors import CheckpointError, refused_by_the_system
from checkpoints.headers import LONGEST_NAME, Tensor
from checkpoints.layout import PICKLE_INDEX, Checkpoint, Shard
from checkpoints.paths import TOO_LARGE
from checkpoints.tensors import CHUNK, Tensors, span


_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}
_AGAIN = "fetch the file again"
_ARCHIVE = b"PK\x03\x04"  # what a file of torch's begins with
_MAPPED = 256 << 20  # bytes of a file that are read before it is mapped anew, which costs milliseconds


class PickledTensors(Tensors):
    """One file is mapped at a time; a tensor is read when its bytes are asked for.

    Raises CheckpointError where a file holds more than tensors, or is none of torch's.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._shards: dict[str, Shard] = {}
        self._open: tuple[str, dict[Any, Any]] = ("", {})
        self._touched = 0  # bytes of the open file that were read, and so stay in memory while it is mapped
        self.known: dict[str, Tensor] = {}
        self.left_out: dict[str, str] = {}
        for shard in checkpoint.shards:
            for name, value in self._load(shard).items():
                self._add(checkpoint, shard, name, value)
        self._check_index(checkpoint)

    def chunks(self, name: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        tensor = self._load(self._shards[name])[name].detach()
        flat = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
        first, last = span(self.known[name], start, stop)
        for begin in range(first, last, CHUNK):
            yield flat[begin : min(begin + CHUNK, last)].tobytes()
        self._touched += last - first

    def _add(self, checkpoint: Checkpoint, shard: Shard, name: object, value: object) -> None:
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            kind = f"is not a tensor, but of type {type(value).__name__}"
            why = kind if isinstance(name, str) else f"is not called by a name, but by {type(name).__name__}"
            self.left_out[_written(name)] = why
            return
        if _written(name) != name or len(name) > LONGEST_NAME:
            raise CheckpointError(checkpoint.folder / shard.name, f"`{name}` is not the name of a tensor", _AGAIN)
        if value.is_meta or value.numel() * value.element_size() > max(shard.size, 1 << 20):
            message = f"`{name}` has the shape {list(value.shape)}, for which there are no bytes"
            raise CheckpointError(checkpoint.folder / shard.name, message, "save it again, with all of its weights")
        if value.dtype not in _NAMES or value.is_sparse or value.is_quantized:
            message = f"`{name}` is of a kind that safetensors does not hold: {value.dtype}"
            raise CheckpointError(checkpoint.folder / shard.name, message, "convert it first")
        if name in self.known:
            message = f"holds `{name}`, and so does {self._shards[name].name}"
            raise CheckpointError(checkpoint.folder / shard.name, message, "keep the tensor in one of them")
        self.known[name] = Tensor(name, _NAMES[value.dtype], tuple(value.shape))
        self._shards[name] = shard

    def _check_index(self, checkpoint: Checkpoint) -> None:
        if checkpoint.index_text is None:
            return
        places = {name: shard.name for name, shard in self._shards.items()}
        listed = read_document(checkpoint.folder / PICKLE_INDEX)[1]["weight_map"]
        wrong = sorted(name for name in listed.keys() | places.keys() if listed.get(name) != places.get(name))
        if wrong:
            message = f"does not say where `{wrong[0]}` is, or says it wrongly"
            raise CheckpointError(checkpoint.folder / PICKLE_INDEX, message, "fetch index and shards again")

    def _load(self, shard: Shard) -> dict[Any, Any]:
        if self._open[0] != shard.name or (self._touched > _MAPPED and _can_be_mapped(shard)):
            self._open = ("", {})  # the file before is let go of first
            self._open, self._touched = (shard.name, _read(shard)), 0
        return self._open[1]


def _can_be_mapped(shard: Shard) -> bool:
    try:
        return zipfile.is_zipfile(shard.path)
    except zipfile.BadZipFile:  # one that says so, and something impossible besides
        return False


def _begins_as_an_archive(shard: Shard) -> bool:
    with open(shard.path, "rb") as file:
        return file.read(len(_ARCHIVE)) == _ARCHIVE


def _written(name: object) -> str:
    """A key of a pickle as text that can be written down: pickles hold keys of any kind, and halves of characters."""
    return str(name)[:LONGEST_NAME].encode("utf-8", "backslashreplace").decode()


def _check_archive(shard: Shard) -> None:
    """Raise CheckpointError where reading a file would unpack more than it holds: torch packs nothing."""
    try:
        with zipfile.ZipFile(shard.path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise CheckpointError(shard.path, f"cannot be read: {error}", _AGAIN) from error
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(shard.path, "is packed, as no file of torch's is", _AGAIN)
    if any(entry.filename.endswith("data.pkl") and entry.file_size > LARGEST for entry in entries):
        raise CheckpointError(shard.path, "lists more than any model's tensors", _AGAIN, code=TOO_LARGE)


def _read(shard: Shard) -> dict[Any, Any]:
    """The entries of a file. The format of torch before 1.6 cannot be mapped, and is read whole."""
    if _can_be_mapped(shard):
        _check_archive(shard)
    elif _begins_as_an_archive(shard):
        raise CheckpointError(shard.path, "cannot be read: it is truncated, its list of contents is missing", _AGAIN)
    try:
        found = torch.load(shard.path, map_location="cpu", weights_only=True, mmap=_can_be_mapped(shard))
    except pickle.UnpicklingError as error:
        message = (
            "holds more than tensors: reading it would run code from the file, or it is not a file that torch wrote"
        )
        raise CheckpointError(shard.path, message, "take the safetensors version, or fetch the file again") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # that is: to look for something where nothing can be
            raise refused_by_the_system(error, shard.path) from error
        raise CheckpointError(shard.path, f"cannot be read: {error.strerror or error}", _AGAIN) from error
    except Exception as error:  # whatever an interpreter of a stranger's instructions meets
        raise CheckpointError(shard.path, f"cannot be read: {words_of(error)}", _AGAIN) from error
    if not isinstance(found, dict):
        raise CheckpointError(shard.path, f"holds a {type(found).__name__}, not tensors by name", _AGAIN)
    return found
