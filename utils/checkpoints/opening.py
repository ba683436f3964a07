"""The tensors of a checkpoint of any kind: one row of `READERS` for each kind of file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from checkpoints.layout import GGUF, PICKLES, SAFETENSORS, Checkpoint
from checkpoints.tensors import SafetensorsTensors, Tensors


def open_tensors(checkpoint: Checkpoint) -> Tensors:
    """The tensors of a checkpoint of any kind.

    Raises:
        CheckpointError: the files are pickles or GGUF files, and hold something that none of a model has.
    """
    return READERS[checkpoint.kind](checkpoint)


def _pickled(checkpoint: Checkpoint) -> Tensors:
    from checkpoints.pickles import PickledTensors  # imports torch, which other kinds do without

    return PickledTensors(checkpoint)


def _packed(checkpoint: Checkpoint) -> Tensors:
    from checkpoints.ggufs import GgufTensors  # as well

    return GgufTensors(checkpoint)


READERS: Mapping[str, Callable[[Checkpoint], Tensors]] = {
    SAFETENSORS: SafetensorsTensors,
    PICKLES: _pickled,
    GGUF: _packed,
}
