"""A gated model with its bank, and banks of files put into it. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from telling.tools import typed

from memory.encoding import name_of
from memory.errors import BankError
from memory.opening import blocks_for, shape_of_config
from memory.values import Shape


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_model(place: str | Path, dtype: str = "float32", device: str = "cpu") -> tuple[Any, PreTrainedTokenizerBase]:
    """The model of a gated checkpoint in evaluation mode, and its tokenizer.

    Raises CheckpointError where there is none, BankError where it has no memory.
    """
    from checkpoints.loading import load_gated

    from transformers.utils import logging

    logging.disable_progress_bar()
    model, tokenizer = load_gated(place, dtype)
    check_model(model, place)
    cast(torch.nn.Module, model).to(device)  # transformers wraps it, without types
    return model, tokenizer


def check_model(model: Any, place: object) -> None:
    """Raise BankError where a model has no memory."""
    lacks = [name for name in ("memory_bank", "write_memory", "memory_keys") if not hasattr(model, name)]
    if lacks:
        message = f"is a model without a memory: it has no `{lacks[0]}`"
        raise BankError(str(place), message, f"give a model with memory gates: {typed('gate')} --gate memory")


def shape_of_model(model: Any, place: object = "the model") -> Shape:
    """What a model's bank is made for. Raises BankError where its configuration says nothing of one."""
    return shape_of_config(Path(str(place)), model.config.to_dict())


def load_bank(model: Any, tokenizer: PreTrainedTokenizerBase, place: str | Path) -> int:
    """Put the bank of a file into a model; how many rows hold something.

    Args:
        model: a model with memory gates, which computes anew what it derives of rows.
        tokenizer: the model's.
        place: as for `open_bank`, or the original project's `knowledge_cache.pt`.

    Raises:
        BankError: the bank is of another shape, vocabulary or tokenizer than the model. Its memory is as it was.
    """
    name = name_of(getattr(tokenizer, "name_or_path", "") or "the model")
    filled, first, device, wanted = 0, 0, model.memory_bank.device, shape_of_model(model)
    for block in blocks_for(place, wanted, tokenizer, name):
        filled += int((block != wanted.pad_token_id).any(1).sum())
        rows = torch.arange(first, first + len(block), device=device)
        model.write_memory(rows, torch.from_numpy(block).to(device))
        first += len(block)
    return filled
