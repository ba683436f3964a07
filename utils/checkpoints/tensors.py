"""Tensors of a checkpoint as streams of bytes, whatever file holds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from checkpoints.casting import cast
from checkpoints.headers import BITS, Tensor
from checkpoints.layout import Checkpoint


CHUNK = 8 << 20  # bytes held at a time; a multiple of every type's size


class Tensors(ABC):
    """The tensors of one checkpoint."""

    known: Mapping[str, Tensor]
    left_out: Mapping[str, str]  # names of what is in the files and no tensor of the model -> why
    config: Mapping[str, Any] = MappingProxyType({})  # of the model, where the files of weights say what it is

    @abstractmethod
    def chunks(self, name: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes of a tensor's elements from `start` to `stop`, in pieces of at most a few CHUNKs.

        Args:
            name: of the tensor, one of `known`.
            start, stop: numbers of elements; to the end without `stop`.

        Raises:
            OSError: the file cannot be read, or ends early.
        """

    def write_extras(self, folder: Path) -> list[str]:
        """Write what the files hold besides weights, such as a tokenizer; the names of what was written."""
        return []


class SafetensorsTensors(Tensors):
    """Read in place, a chunk at a time."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._places = checkpoint.tensors
        self.known = {name: tensor for name, (_, tensor) in self._places.items()}
        self.left_out: dict[str, str] = {}

    def chunks(self, name: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        shard, tensor = self._places[name]
        first, last = span(tensor, start, stop)
        with open(shard.path, "rb") as file:
            file.seek(shard.starts[name] + first)
            left = last - first
            while left:
                data = file.read(min(CHUNK, left))
                if not data:
                    raise OSError(5, "the file ended early", str(shard.path))
                left -= len(data)
                yield data


def span(tensor: Tensor, start: int, stop: int | None) -> tuple[int, int]:
    """Which bytes of a tensor some of its elements are."""
    bits = BITS[tensor.dtype]
    return start * bits // 8, tensor.size if stop is None else stop * bits // 8


def cast_chunks(tensors: Tensors, name: str, dtype: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The bytes of a tensor's elements, cast to another type where it has to be.

    Args:
        tensors: of a checkpoint.
        name: of the tensor.
        dtype: what it becomes, as safetensors spells it: "BF16".
        start, stop: numbers of elements; to the end without `stop`.
    """
    source = tensors.known[name].dtype
    if source == dtype:
        yield from tensors.chunks(name, start, stop)
        return
    width, rest = BITS[source] // 8, b""
    for chunk in tensors.chunks(name, start, stop):
        data = rest + chunk
        whole = len(data) // width * width
        rest = data[whole:]
        yield cast(data[:whole], source, dtype)
