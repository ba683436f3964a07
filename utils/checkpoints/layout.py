"""Which files a checkpoint folder consists of, and whether they agree with each other. Reads headers, no tensors."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naming.kinds import MEANT

from checkpoints.documents import read_document
from checkpoints.errors import CheckpointError
from checkpoints.forms import check_config
from checkpoints.gguf_headers import check_gguf
from checkpoints.headers import Header, Tensor, read_header
from checkpoints.paths import OUTSIDE, file_inside, is_plain, is_there, own_file, regular_file, resolve


CONFIG = "config.json"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLE, PICKLE_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
ADAPTER = "adapter_config.json"
SAFETENSORS, PICKLES, GGUF = "safetensors", "pickle", "gguf"
# Weights in any format, what lists them, and what a gated model brings itself: none of them is copied along.
_NOT_COPIED = re.compile(
    r"(?is)^(config\.json|.*\.(safetensors|bin|gguf|pt|pth|ckpt|h5|msgpack|onnx|onnx_data|py|lock)|.*\.index\.json"
    rf"|readme\.md|{MEANT.attribute}_(manifest|progress)\.json|\..*)\Z"
)
_COPIED_FOLDERS = ("additional_chat_templates",)


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of weights: its name in the checkpoint, and the file that the name leads to."""

    name: str
    path: Path
    size: int
    header: Header | None  # of a safetensors file

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """What the header names, in the order of the bytes; nothing of files of other kinds."""
        return self.header.tensors if self.header else {}

    @property
    def starts(self) -> Mapping[str, int]:
        """Where in the file each of these tensors begins: bytes."""
        return self.header.starts if self.header else {}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder whose files were found to fit together."""

    folder: Path
    kind: str  # SAFETENSORS, PICKLES or GGUF
    config: Mapping[str, Any]
    config_text: str
    index_text: str | None
    shards: tuple[Shard, ...]
    extras: tuple[str, ...]  # tokenizer, generation config and the like, by relative path
    left_out: tuple[str, ...]  # files that are none of these

    @property
    def tensors(self) -> dict[str, tuple[Shard, Tensor]]:
        """Every tensor of a safetensors checkpoint and the shard that holds it."""
        return {name: (shard, tensor) for shard in self.shards for name, tensor in shard.tensors.items()}

    @property
    def size(self) -> int:
        """Bytes of weights."""
        return sum(shard.size for shard in self.shards)


def open_checkpoint(folder: Path, gguf: str = "") -> Checkpoint:
    """Read a checkpoint's configuration, index and headers; of the GGUF file of this name, where one is named.

    Raises CheckpointError where a file is missing, truncated, outside the folder, or contradicts another one.
    """
    if not resolve(folder).is_dir():
        raise CheckpointError(folder, "is not a folder", "give the folder of a checkpoint")
    kind, names, index_text, weight_map = (GGUF, [gguf], None, None) if gguf else _weights(folder)
    if is_there(folder / ADAPTER):
        message = "lies beside full weights: what is loaded here is the base that it names, and the adapter"
        fix = "merge it into its base (merge_and_unload), or move adapter_config.json and adapter_model.* away"
        raise CheckpointError(folder / ADAPTER, message, fix, code="adapter-beside-weights")
    shards = _shards(folder, names, kind, weight_map)
    if kind == SAFETENSORS:
        _check_tensors(folder, shards, weight_map)
    config_text, config = ("", {}) if kind == GGUF else read_document(folder / CONFIG)
    check_config(folder / CONFIG, config)
    extras, left_out = _other_files(folder, set(names))
    return Checkpoint(folder, kind, config, config_text, index_text, shards, extras, left_out)


def _weights(folder: Path) -> tuple[str, list[str], str | None, dict[str, str] | None]:
    """What the weights are, in the order in which transformers looks for them: kind, files, index, tensor -> file."""
    for kind, single, index in ((SAFETENSORS, SINGLE, INDEX), (PICKLES, PICKLE, PICKLE_INDEX)):
        if is_there(folder / single):
            return kind, [single], None, None
        if is_there(folder / index):
            text, document = read_document(folder / index)
            weight_map = _weight_map(folder / index, document)
            return kind, sorted(set(weight_map.values())), text, weight_map
    ggufs = sorted(path.name for path in folder.glob("*.gguf"))
    if len(ggufs) == 1:
        return GGUF, ggufs, None, None
    if ggufs:
        fix = f"name the one to use: {folder / ggufs[0]}, or another of {', '.join(ggufs)}"
        raise CheckpointError(folder, f"holds {len(ggufs)} GGUF files", fix)
    if is_there(folder / ADAPTER):
        raise CheckpointError(folder, "holds an adapter, no model", "merge it into its base first (merge_and_unload)")
    shards = sorted(path.name for path in folder.glob("model-*-of-*.safetensors"))
    if shards:
        raise CheckpointError(folder / INDEX, "is missing beside its shards", "fetch the index as well")
    raise CheckpointError(folder, f"holds no weights: no {SINGLE}, {INDEX}, {PICKLE} or .gguf", "check the path")


def _weight_map(path: Path, document: Mapping[str, Any]) -> dict[str, str]:
    weight_map = document.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(path, "has no `weight_map`", "fetch the index again")
    for tensor, name in weight_map.items():
        if not is_plain(name):
            message = f"places `{tensor}` in {name!r}, which is not a file of this folder"
            fix = "move every shard beside its index, and name it there without a path"
            raise CheckpointError(path, message, fix, code=OUTSIDE)
    return weight_map


def _shards(folder: Path, names: list[str], kind: str, weight_map: Mapping[str, str] | None) -> tuple[Shard, ...]:
    """The files of weights; no further ones where they hold more tensors than the index lists already."""
    shards, count = [], 0
    for name in names:
        shards.append(_shard(folder, name, kind))
        count += len(shards[-1].tensors)
        if weight_map is not None and count > len(weight_map):
            break
    return tuple(shards)


def _shard(folder: Path, name: str, kind: str) -> Shard:
    path = folder / name
    if not is_there(path):
        raise CheckpointError(path, "is missing, but the index names it", "fetch the shard, or the whole checkpoint")
    real = regular_file(path)
    if kind == GGUF:
        check_gguf(real)
    return Shard(name, real, real.stat().st_size, read_header(real) if kind == SAFETENSORS else None)


def _check_tensors(folder: Path, shards: tuple[Shard, ...], weight_map: Mapping[str, str] | None) -> None:
    """Every tensor is in exactly one shard, and it is the one that the index says."""
    places: dict[str, str] = {}
    for shard in shards:
        for name in shard.tensors:
            if name in places:
                message = f"holds `{name}`, and so does {places[name]}"
                raise CheckpointError(folder / shard.name, message, "keep the tensor in one of them")
            places[name] = shard.name
    if weight_map is None or weight_map == places:
        return
    index = folder / INDEX
    if missing := sorted(places.keys() - weight_map.keys()):
        message = f"does not list `{missing[0]}`, which {places[missing[0]]} holds"
        raise CheckpointError(index, message, "fetch index and shards again")
    name, file = next((name, file) for name, file in sorted(weight_map.items()) if places.get(name) != file)
    found = f"it is in {places[name]}" if name in places else "it is in none"
    raise CheckpointError(index, f"places `{name}` in {file}, but {found}", "fetch index and shards again")


def _other_files(folder: Path, weights: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is copied along, and what is left out. What is copied is a file of this folder, and not of somebody else's.

    Raises CheckpointError where a link leads out of the folder or nowhere, or where a pipe or a device would be copied.
    """
    extras, left_out = [], []
    for path in sorted(folder.iterdir()):
        if path.name in _COPIED_FOLDERS:
            extras += _files_below(path)
        elif path.is_dir():
            left_out += [path] if path.is_symlink() else _files_below(path)
        elif path.name not in weights and path.name not in (CONFIG, INDEX, PICKLE_INDEX):
            (left_out if _NOT_COPIED.match(path.name) else extras).append(path)
    for path in extras:
        own_file(folder, path)  # here, and not halfway through copying
        file_inside(folder, path.relative_to(folder).as_posix(), path)
    return _names(folder, extras), _names(folder, left_out)


def _files_below(folder: Path) -> list[Path]:
    """Everything below a folder that is no folder itself. A link to one is a thing like any other: nobody follows it."""
    if folder.is_symlink() or not folder.is_dir():
        return [folder]
    found = []
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found += [Path(place, name) for name in (*files, *links)]
    return sorted(found)


def _names(folder: Path, paths: list[Path]) -> tuple[str, ...]:
    """Relative paths as text: a name on disk may be any bytes."""
    names = (path.relative_to(folder).as_posix() for path in paths)
    return tuple(name.encode("utf-8", "backslashreplace").decode() for name in names)
