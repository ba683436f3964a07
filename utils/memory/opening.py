"""A path -> the bank that it leads to: a bank's folder, a file in it, or a gated checkpoint with a bank in its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checkpoints.configs import text_config
from checkpoints.forms import is_count
from checkpoints.layout import CONFIG, SAFETENSORS, open_checkpoint
from checkpoints.manifest import read_manifest as read_checkpoint_manifest
from checkpoints.paths import is_there, own_file

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
from memory.encoding import name_of
from memory.errors import BankError
from memory.values import TENSOR, Shape


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
        what = "is no folder" if path.exists() else "does not exist"
        raise BankError(path, what, "give a folder of memory_bank.py build, or a gated checkpoint with a bank")
    bank = _of_checkpoint(path) if is_there(path / CONFIG) else _of_folder(path)
    bank.settle()
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


def _of_folder(folder: Path) -> DiskBank:
    if not is_there(folder / MANIFEST):
        fix = "build one: memory_bank.py build, or give a gated checkpoint"
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
        raise BankError(folder, message, "give a gated checkpoint: gate_checkpoint.py --gate memory")
    shape = shape_of_config(folder / CONFIG, checkpoint.config, name_of(folder))
    shard, tensor = checkpoint.tensors[found[0]]
    check_tensor(folder / shard.name, tensor, shape)
    start = shard.header.starts[found[0]] if shard.header else 0
    manifest = read_checkpoint_manifest(folder) or {}
    return DiskBank(folder, shard.name, found[0], start, tensor.dtype, shape, folder, True, manifest)
