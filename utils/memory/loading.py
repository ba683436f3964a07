"""A gated model with its bank, and banks of files put into it. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from memory.encoding import check_ids, check_tokenizer, name_of
from memory.errors import BankError
from memory.opening import open_bank, shape_of_config
from memory.values import Shape


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AT_A_TIME = 4096  # rows


def load_model(place: str | Path, dtype: str = "float32", device: str = "cpu") -> tuple[Any, PreTrainedTokenizerBase]:
    """The model of a gated checkpoint in evaluation mode, and its tokenizer.

    Raises CheckpointError where there is none, BankError where it has no memory.
    """
    from checkpoints.loading import load_gated

    from transformers.utils import logging

    logging.disable_progress_bar()
    model, tokenizer = load_gated(place, dtype)
    check_model(model, place)
    return model.to(device), tokenizer


def check_model(model: Any, place: object) -> None:
    """Raise BankError where a model has no memory."""
    lacks = [name for name in ("memory_bank", "write_memory", "memory_keys") if not hasattr(model, name)]
    if lacks:
        message = f"is a model without a memory: it has no `{lacks[0]}`"
        raise BankError(str(place), message, "give a model with memory gates: gate_checkpoint.py --gate memory")


def shape_of_model(model: Any, place: object = "the model") -> Shape:
    """What a model's bank is made for. Raises BankError where its configuration says nothing of one."""
    return shape_of_config(Path(str(place)), model.config.to_dict())


def load_bank(model: Any, tokenizer: PreTrainedTokenizerBase, place: str | Path) -> int:
    """Put the bank of a file into a model; how many rows hold something.

    Args:
        model: a model with memory gates, which computes anew what it derives of rows.
        tokenizer: the model's.
        place: as for `open_bank`.

    Raises:
        BankError: the bank is of another shape, vocabulary or tokenizer than the model. Its memory is as it was.
    """
    bank, wanted = open_bank(place), shape_of_model(model)
    for name in ("knowledge_num", "knowledge_length"):
        has, says = getattr(bank.shape, name), getattr(wanted, name)
        if has != says:
            raise BankError(bank.folder, f"`{name}` is {has}, and the model's is {says}", f"build it with {says}")
    check_tokenizer(tokenizer, name_of(getattr(tokenizer, "name_or_path", "") or "the model"), bank.shape, bank.folder)
    ids, filled = bank.ids(), 0
    for start in range(0, len(ids), _AT_A_TIME):
        check_ids(np.asarray(ids[start : start + _AT_A_TIME]), wanted, bank.folder / bank.weights, start)
    device = model.memory_bank.device
    for start in range(0, len(ids), _AT_A_TIME):
        block = np.asarray(ids[start : start + _AT_A_TIME]).astype(np.int64)
        used = block != bank.shape.pad_token_id
        filled += int(used.any(1).sum())
        if bank.shape.pad_token_id != wanted.pad_token_id:
            block = _repadded(block, used, wanted.pad_token_id)
        rows = torch.arange(start, start + len(block), device=device)
        model.write_memory(rows, torch.from_numpy(block).to(device))
    return filled


def _repadded(block: np.ndarray, used: np.ndarray, pad: int) -> np.ndarray:
    """Rows whose ends are filled with another token; what comes before the last token of a row stays."""
    last = np.where(used.any(1), block.shape[1] - used[:, ::-1].argmax(1), 0)
    return np.where(np.arange(block.shape[1]) < last[:, None], block, pad)
