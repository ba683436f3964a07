"""A path -> the bank that it leads to: a bank's folder, a file in it, or a gated checkpoint with a bank in its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from checkpoints.configs import text_config
from checkpoints.forms import is_count
from checkpoints.layout import CONFIG, SAFETENSORS, open_checkpoint
from checkpoints.manifest import read_manifest as read_checkpoint_manifest
from checkpoints.paths import is_there, own_file
from telling.tools import named, typed

from memory.bank_files import (
    MANIFEST,
    TOKENIZER,
    WEIGHTS,
    bring_back,
    check_shape,
    check_tensor,
    find_tensor,
    read_manifest,
    shape_of,
)
from memory.disk import DiskBank
from memory.encoding import check_ids, check_tokenizer, name_of
from memory.errors import BankError
from memory.values import CACHES, TENSOR, Shape


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AT_A_TIME = 4096  # rows


def open_bank(place: str | Path) -> DiskBank:
    """The bank of a folder; what a killed process has left half done is completed.

    Args:
        place: the folder of `memory_bank.py build`, its `memory_bank.safetensors`, or a gated checkpoint's folder.

    Raises:
        BankError: there is no bank, or its files do not fit each other.
    """
    path = Path(place).expanduser()
    if path.name in (WEIGHTS, MANIFEST) and path.is_file():
        path = path.parent
    bring_back(path)
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise BankError(path, what, f"give a folder of {named('memory')} build, or a gated checkpoint with a bank")
    bank = _of_checkpoint(path) if is_there(path / CONFIG) else _of_folder(path)
    bank.finish_changes()
    return bank


def shape_of_config(path: Path, config: Mapping[str, Any], tokenizer: str = "") -> Shape:
    """What a gated model's configuration says of its bank. Raises BankError where a field is missing or wrong."""
    text = text_config(config)
    names = ("knowledge_num", "knowledge_length", "memory_pad_token_id", "vocab_size")
    for name in names:
        if not is_count(text.get(name)):
            fix = "give a checkpoint of a model with memory gates"
            raise BankError(path, f"`{name}` is {text.get(name)!r}", fix)
    num, length, pad, size = (text[name] for name in names)
    shape = Shape(num, length, pad, size, frozen_rows(num, text.get("freeze_ratio", 0.0), path), tokenizer=tokenizer)
    check_shape(shape, path)
    return shape


def frozen_rows(num: int, ratio: object, place: object) -> int:
    """How many of the leading rows are frozen. Raises BankError where the ratio is none."""
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio <= 1:
        raise BankError(str(place), f"`freeze_ratio` is {ratio!r}", "give a share of the rows, from 0 to 1")
    return int(num * ratio)


def blocks_for(
    place: str | Path, wanted: Shape, tokenizer: PreTrainedTokenizerBase | None = None, name: str = "the model"
) -> Iterator[np.ndarray]:
    """The rows of a bank for a model, int64 [R, K] at a time, filled up as the model fills rows up; checked before the first.

    Args:
        place: as for `open_bank`, or the original project's `knowledge_cache.pt`, which says nothing of its tokenizer.
        wanted: what the model's bank is made for.
        tokenizer: the model's; without, that is not checked.
        name: what the tokenizer is called in a refusal.

    Raises:
        BankError: the bank is of another shape, vocabulary or tokenizer.
    """
    path = Path(place).expanduser()
    if path.suffix in CACHES:
        from memory.originals import read_cache

        ids = read_cache(path)
        shape = replace(wanted, knowledge_num=ids.shape[0], knowledge_length=ids.shape[1])
    else:
        bank = open_bank(path)
        path, ids, shape = bank.folder, bank.ids(), bank.shape
        if tokenizer is not None:
            check_tokenizer(tokenizer, name, shape, path)
    for field in ("knowledge_num", "knowledge_length"):
        has, says = getattr(shape, field), getattr(wanted, field)
        if has != says:
            raise BankError(path, f"`{field}` is {has}, and the model's is {says}", f"build it with {says}")
    for start in range(0, len(ids), _AT_A_TIME):
        check_ids(np.asarray(ids[start : start + _AT_A_TIME]), wanted, path, start)
    return (
        _repadded(np.asarray(ids[start : start + _AT_A_TIME]).astype(np.int64), shape, wanted)
        for start in range(0, len(ids), _AT_A_TIME)
    )


def _repadded(block: np.ndarray, shape: Shape, wanted: Shape) -> np.ndarray:
    """Rows whose ends are filled with another token; what comes before the last token of a row stays."""
    if shape.pad_token_id == wanted.pad_token_id:
        return block
    used = block != shape.pad_token_id
    last = np.where(used.any(1), block.shape[1] - used[:, ::-1].argmax(1), 0)
    return np.where(np.arange(block.shape[1]) < last[:, None], block, wanted.pad_token_id)


def _of_folder(folder: Path) -> DiskBank:
    if not is_there(folder / MANIFEST):
        fix = f"build one: {typed('memory')} build, or give a gated checkpoint"
        raise BankError(folder, f"holds no bank: no {MANIFEST} and no {CONFIG}", fix)
    shape = shape_of(folder / MANIFEST, read_manifest(folder))
    own_file(folder, folder / WEIGHTS)
    start, dtype = find_tensor(folder / WEIGHTS, TENSOR, shape)
    return DiskBank(folder, WEIGHTS, TENSOR, start, dtype, shape, folder / TOKENIZER)


def _of_checkpoint(folder: Path) -> DiskBank:
    checkpoint = open_checkpoint(folder)
    if checkpoint.kind != SAFETENSORS:
        raise BankError(folder, f"holds {checkpoint.kind} weights", "save the model as safetensors first")
    found = [name for name in checkpoint.tensors if name == TENSOR or name.endswith(f".{TENSOR}")]
    if len(found) != 1:
        message = f"has {len(found)} tensors called {TENSOR}, and a model with memory gates has one"
        raise BankError(folder, message, f"give a gated checkpoint: {typed('gate')} --gate memory")
    shape = shape_of_config(folder / CONFIG, checkpoint.config, name_of(folder))
    shard, tensor = checkpoint.tensors[found[0]]
    check_tensor(folder / shard.name, tensor, shape)
    start = shard.header.starts[found[0]] if shard.header else 0
    manifest = read_checkpoint_manifest(folder) or {}
    return DiskBank(folder, shard.name, found[0], start, tensor.dtype, shape, folder, True, manifest)
