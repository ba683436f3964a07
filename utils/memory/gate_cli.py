"""`gate_checkpoint.py`, which reads banks for memory gates: what gates checkpoints knows nothing of what is in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from checkpoints.layout import Checkpoint

    from transformers import PreTrainedTokenizerBase


def main(argv: Sequence[str] | None = None) -> int:
    """The tool, told how banks are read. Its exit status."""
    from checkpoints.cli import gate

    return gate(argv, rows=rows_of_bank)


def rows_of_bank(place: str, config: Mapping[str, Any], base: Checkpoint) -> Iterator[np.ndarray]:
    """The rows of a bank for a model of this configuration, int64 [some, K] at a time.

    They are checked against it and against the base's tokenizer.

    Raises:
        BankError: it does not fit.
        CheckpointError: the base's tokenizer cannot be read.
    """
    from checkpoints.layout import CONFIG

    from memory.encoding import name_of
    from memory.opening import blocks_for, shape_of_config

    wanted = shape_of_config(base.folder / CONFIG, config)
    return blocks_for(place, wanted, _tokenizer_of(base), name_of(base.folder))


def _tokenizer_of(base: Checkpoint) -> PreTrainedTokenizerBase | None:
    """The tokenizer that comes with a base; None where none does, so that there is nothing to compare with."""
    from checkpoints.errors import CheckpointError
    from checkpoints.layout import GGUF

    from transformers import AutoTokenizer

    named = {"gguf_file": base.shards[0].name} if base.kind == GGUF else {}
    if not named and not any("token" in name or "vocab" in name for name in base.extras):
        return None
    try:
        return AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False, **named)
    except Exception as error:  # tokenizers raise plain exceptions on a vocabulary that they cannot build
        message = "holds a tokenizer that cannot be read, so that nobody can tell whether the bank is for it"
        raise CheckpointError(base.folder, message, "fetch the tokenizer's files again") from error
