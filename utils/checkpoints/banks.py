"""The bank of rows of a new checkpoint: whose rows it gets, and how many bytes of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from checkpoints.errors import CheckpointError
from checkpoints.headers import Tensor
from checkpoints.layout import Checkpoint


OPTION = "--bank"
_ROWS = 4096  # at a time
# A bank, the configuration of a gated model and the checkpoint of its base -> rows of int64, `[some, knowledge_length]` at
# a time, all of them checked before the first. What reads banks is above this package, and hands such a function in.
Rows = Callable[[str, Mapping[str, Any], Checkpoint], Iterator[np.ndarray]]


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank by its place, and what reads it."""

    place: str
    rows: Rows


@dataclass(frozen=True, slots=True)
class PlannedBank:
    """What becomes the rows of a new checkpoint."""

    tensor: Tensor
    pad: int  # that empty rows consist of
    digest: str = ""  # SHA-256 of the bytes of a bank that was given
    read: Callable[[], Iterator[np.ndarray]] | None = None

    def chunks(self) -> Iterator[bytes]:
        """The bytes of all rows."""
        number, length = self.tensor.shape
        if self.read is None:
            for start in range(0, number, _ROWS):
                yield np.full((min(_ROWS, number - start), length), self.pad, "<i8").tobytes()
            return
        for block in self.read():
            yield block.astype("<i8").tobytes()


def plan_bank(
    tensors: Sequence[Tensor], ends: str, config: Mapping[str, Any], pad: int, given: Bank | None, base: Checkpoint
) -> PlannedBank | None:
    """The bank among the tensors of new gates, which is the one whose name ends so; None where there is none.

    A bank that is given is read once, so that nothing is written where it does not fit.

    Raises CheckpointError for a bank where there is no place for one, and whatever its reader raises.

    Args:
        tensors: those of the new gates.
        ends: how the name of a bank ends; "" for gates that have none.
        config: the gated configuration.
        pad: the token that empty rows consist of.
        given: the bank whose rows it gets, if any.
        base: the checkpoint that is gated.
    """
    tensor = next((each for each in tensors if ends and each.name.endswith(ends)), None)
    if tensor is None:
        if given is not None:
            raise CheckpointError(OPTION, "these gates read no bank", "give --gate memory, or leave it out")
        return None
    if given is None:
        return PlannedBank(tensor, pad)

    def read() -> Iterator[np.ndarray]:
        return given.rows(given.place, config, base)

    digest = sha256()
    for block in read():
        digest.update(block.astype("<i8").tobytes())
    return PlannedBank(tensor, pad, digest.hexdigest(), read)
