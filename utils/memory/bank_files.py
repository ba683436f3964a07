"""The files of a bank and what its manifest says: what it is made for, of what, with which tokenizer."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from checkpoints.documents import read_document
from checkpoints.errors import CheckpointError
from checkpoints.forms import is_count
from checkpoints.headers import Tensor, read_header
from checkpoints.paths import file_inside
from checkpoints.tensors import CHUNK
from files.writing import PART, write_file
from telling.tools import typed

from memory.errors import BankError
from memory.log import LOG
from memory.rows_file import ROWS
from memory.values import Shape, integer_root


MANIFEST, WEIGHTS, REJECTS = "memory_bank.json", "memory_bank.safetensors", "memory_rejects.jsonl"
TOKENIZER, LOCK, REPLACED = "tokenizer", "memory_bank.lock", ".replaced"
USAGE = "memory_usage.safetensors"  # how rows were used, of whoever updates the bank
OURS = (MANIFEST, WEIGHTS, REJECTS, ROWS, LOG, LOCK, USAGE, *(f"{name}{PART}" for name in (MANIFEST, WEIGHTS, ROWS)))
FORM = 1  # of the manifest
TYPES = {"I64": "<i8", "I32": "<i4"}  # that a bank's tokens may have
_COUNTS = ("knowledge_num", "knowledge_length", "pad_token_id", "vocab_size", "frozen_rows")


def shape_as_record(shape: Shape) -> dict[str, Any]:
    """What a bank is made for, as its manifest has it."""
    record: dict[str, Any] = {name: getattr(shape, name) for name in _COUNTS}
    record |= {"special_tokens": shape.special_tokens}
    return record | {"tokenizer": {"name": shape.tokenizer, "digest": shape.digest}}


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a bank's folder. Raises BankError where it is none of this form."""
    path = folder / MANIFEST
    _, found = read_document(path)
    if found.get("format") != FORM or not is_count(found.get("log_bytes")):
        raise BankError(path, f"is not a manifest of format {FORM}", f"build the bank again: {typed('memory')} build")
    return found


def shape_of(path: Path, found: Mapping[str, Any]) -> Shape:
    """What a manifest says that a bank is made for. Raises BankError where a field is wrong."""
    fix = f"build the bank again: {typed('memory')} build"
    for field in _COUNTS:
        if not is_count(found.get(field)):
            raise BankError(path, f"`{field}` is {found.get(field)!r}", fix)
    tokenizer = found.get("tokenizer")
    name, digest = (
        (tokenizer.get(each) for each in ("name", "digest")) if isinstance(tokenizer, Mapping) else ("", None)
    )
    if not isinstance(name, str) or not isinstance(digest, str):
        raise BankError(path, f"`tokenizer` is {tokenizer!r}", fix)
    num, length, pad, words, frozen = (int(found[field]) for field in _COUNTS)
    shape = Shape(num, length, pad, words, frozen, found.get("special_tokens") is True, name, digest)
    check_shape(shape, path)
    return shape


def check_shape(shape: Shape, place: object) -> None:
    """Raise BankError where no bank is of this shape."""
    num, length = shape.knowledge_num, shape.knowledge_length
    if integer_root(num) is None:
        low = int(max(num, 1) ** 0.5)
        near = f"{max(low, 1) ** 2:,} or {(max(low, 1) + 1) ** 2:,}"
        raise BankError(str(place), f"`knowledge_num` is {num}, which is not a perfect square", f"give {near}")
    if length < 1:
        raise BankError(str(place), f"`knowledge_length` is {length}", "give 1 or more tokens a row, such as 16")
    if not 0 <= shape.frozen_rows <= num:
        raise BankError(
            str(place), f"`frozen_rows` is {shape.frozen_rows} of {num}", "give a freeze_ratio from 0 to 1"
        )
    if not 0 <= shape.pad_token_id < shape.vocab_size:
        message = f"`pad_token_id` is {shape.pad_token_id}, and the vocabulary has {shape.vocab_size}"
        raise BankError(str(place), message, "give a token of the vocabulary")


def find_tensor(path: Path, name: str, shape: Shape) -> tuple[int, str]:
    """Where in a safetensors file the rows begin, and their type. Raises BankError where they are not of this shape."""
    header = read_header(path)
    if name not in header.tensors:
        raise BankError(path, f"holds no tensor `{name}`", f"build the bank again: {typed('memory')} build")
    check_tensor(path, header.tensors[name], shape)
    return header.starts[name], header.tensors[name].dtype


def check_tensor(path: Path, tensor: Tensor, shape: Shape) -> None:
    """Raise BankError where a tensor holds no rows of this shape."""
    wanted = (shape.knowledge_num, shape.knowledge_length)
    if tensor.shape != wanted:
        message = f"`{tensor.name}` has the shape {list(tensor.shape)}, and {list(wanted)} was said"
        raise BankError(path, message, "give knowledge_num and knowledge_length as the bank has them")
    if tensor.dtype not in TYPES:
        fix = f"save it as int64: {' or '.join(TYPES)}"
        raise BankError(path, f"`{tensor.name}` is of the type {tensor.dtype}, and tokens are whole numbers", fix)


def write_manifest(folder: Path, document: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    write_file(folder / MANIFEST, [(json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()])


def write_patched(path: Path, patches: Mapping[int, bytes]) -> str:
    """Write a file anew with other bytes at some places, whole or not at all; its SHA-256 as it is now.

    A link is replaced by a file of its own, so that what else leads to those bytes is left as it was; the rights stay.
    """
    rights = stat.S_IMODE(path.stat().st_mode)
    digest = write_hashed(path, _patched(path, patches))
    path.chmod(rights)
    return digest


def write_hashed(path: Path, chunks: Iterable[bytes]) -> str:
    """Write a file whole or not at all; its SHA-256."""
    digest = sha256()

    def hashed() -> Iterator[bytes]:
        for chunk in chunks:
            digest.update(chunk)
            yield chunk

    write_file(path, hashed())
    return digest.hexdigest()


def _patched(path: Path, patches: Mapping[int, bytes]) -> Iterator[bytes]:
    places, at = sorted(patches), 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            end, data = at + len(chunk), None
            for place in places:
                if place < end and place + len(patches[place]) > at:
                    data = bytearray(chunk) if data is None else data
                    first, last = max(place, at), min(place + len(patches[place]), end)
                    data[first - at : last - at] = patches[place][first - place : last - place]
            places = [place for place in places if place + len(patches[place]) > end]
            yield chunk if data is None else bytes(data)
            at = end


def set_aside(folder: Path) -> Path:
    """Where a bank is while another one takes its place."""
    place = Path(os.path.abspath(folder))
    return place.with_name(place.name + REPLACED)


def bring_back(folder: Path) -> None:
    """Where a process was killed while it replaced a bank: the old one is back."""
    aside = set_aside(folder)
    if aside.is_dir() and (aside / MANIFEST).is_file():
        if not folder.exists():
            aside.rename(folder)
        elif (folder / MANIFEST).is_file():
            with suppress(CheckpointError):  # what is left of it is in nobody's way
                remove_ours(aside)


def ours_in(folder: Path, manifest: Mapping[str, Any]) -> set[str]:
    """The files of a bank's folder that are the bank's, by relative path: what its manifest says of the tokenizer's, too."""
    said = manifest.get("tokenizer_files")
    names = [file_inside(folder, name, folder / MANIFEST) for name in (said if isinstance(said, list) else ())]
    return {*OURS, *(name.relative_to(folder).as_posix() for name in names if name.parent != folder)}


def foreign_in(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """What somebody else has put into a bank's folder."""
    ours = ours_in(folder, manifest)
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(name for path in found if (name := path.relative_to(folder).as_posix()) not in ours)


def remove_ours(folder: Path) -> None:
    """Take away a bank, and its folders where nothing else is in them; the manifest, which says what is ours, goes last."""
    names = ours_in(folder, read_manifest(folder)) - {MANIFEST}
    for name in (*names, MANIFEST):
        (folder / name).unlink(missing_ok=True)
    for place, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # something of somebody else's is in it
            os.rmdir(place)
