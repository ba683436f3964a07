"""A gated checkpoint -> its base, byte for byte where the base's own files are in it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoints.configs import base_config
from checkpoints.errors import CheckpointError, refusing_what_the_system_refuses
from checkpoints.gates import MARK
from checkpoints.hashing import sha256_of, sha256_of_all
from checkpoints.headers import encode_header
from checkpoints.hub import find_folder
from checkpoints.layout import CONFIG, INDEX, PICKLE_INDEX, SAFETENSORS, SINGLE, Checkpoint, Shard, open_checkpoint
from checkpoints.manifest import encode, read_manifest
from checkpoints.plan import check_output
from checkpoints.progress import Progress
from checkpoints.staging import Staging
from checkpoints.tensors import SafetensorsTensors
from checkpoints.writing import COPY, HARD, copy_file, free_space, link_file, write_file, write_tensors


@dataclass(frozen=True, slots=True)
class Ungated:
    """What became of a run."""

    output: Path
    removed: int  # gates
    linked: int  # shards that are the base's own files
    written: int  # shards that were written anew, because gates were in them
    hashes_equal: bool | None  # with those that the base's files had; None: no hash was known
    seconds: float


def ungate_checkpoint(
    gated: str | Path, output: str | Path, *, link: str = HARD, progress: Progress | None = None
) -> Ungated:
    """Remove the gates of a checkpoint.

    Args:
        gated: the folder of a gated checkpoint, of this command's or saved by transformers, or its name on the Hub.
        output: the folder of the base, which comes into being complete, and in one step.
        link: how shards without gates get there: "hard", "symlink" or "copy".
        progress: who is told about bytes that were dealt with.

    Raises:
        CheckpointError: the checkpoint is not gated, its files are not those of its manifest, or the output cannot be
            written. Nothing is left behind, except when the disk is full.
    """
    began, progress, output = time.perf_counter(), progress or Progress(), Path(output)
    with refusing_what_the_system_refuses(output):
        folder = find_folder(gated)
        source = open_checkpoint(folder)
        _refuse_what_is_not_gated(source)
        check_output(output, folder)
        if output.exists() and any(output.iterdir()):
            raise CheckpointError(output, "is not empty", "choose another --output, or remove it")
        manifest = _manifest(source)
        try:
            done = _write(source, manifest, output, link, progress)
        finally:
            progress.stop()
    return Ungated(output, *done, time.perf_counter() - began)


def _refuse_what_is_not_gated(source: Checkpoint) -> None:
    if source.kind != SAFETENSORS:
        raise CheckpointError(source.folder, f"holds {source.kind} weights", "save it as safetensors first")
    if not any(MARK in f".{name}" for name in source.tensors):
        raise CheckpointError(source.folder, "holds no gates: nothing is to be removed", "give a gated checkpoint")


def _manifest(source: Checkpoint) -> dict[str, Any] | None:
    """The manifest, if it still describes the weights: saving the model again into the folder leaves an old one."""
    manifest = read_manifest(source.folder)
    if manifest is None:
        return None
    shards = {shard.name: shard.size for shard in source.shards}
    described = {name: entry["size"] for name, entry in manifest["files"].items() if name.endswith(".safetensors")}
    return manifest if shards == described else None


def _write(
    source: Checkpoint, manifest: Mapping[str, Any] | None, output: Path, link: str, progress: Progress
) -> tuple[int, int, int, bool | None]:
    gates = [name for name in source.tensors if MARK in f".{name}"]
    clean = [shard for shard in source.shards if not _gates_in(shard)]
    mixed = [shard for shard in source.shards if 0 < len(_gates_in(shard)) < len(shard.header.tensors)]
    need = sum(shard.size for shard in (source.shards if link == COPY else mixed))
    if need > free_space(output):
        message = f"needs {need:,} bytes, but {free_space(output):,} are free"
        raise CheckpointError(output, message, "free disk space, or choose an --output on another disk")
    names = _names(clean + mixed, manifest)
    state = [(shard.name, shard.size, shard.path.stat().st_mtime_ns) for shard in source.shards]
    fingerprint = json.dumps(["ungate", state, link])
    with Staging(output, fingerprint) as staging:
        for shard in clean:
            target = staging.folder / names[shard.name]
            if link_file(shard.path, target, link) == COPY:
                progress.start(f"copying {shard.name}", shard.size)
                copy_file(shard.path, target, progress.advance)
        for shard in mixed:
            _write_without_gates(source, shard, staging, names[shard.name], progress)
        hashes = _check_hashes(source, manifest, {shard.name: names[shard.name] for shard in clean}, staging, progress)
        _put_small_files(source, manifest, names, staging.folder)
        open_checkpoint(staging.folder)
        staging.publish()
    return len(gates), len(clean), len(mixed), hashes


def _gates_in(shard: Shard) -> list[str]:
    return [name for name in shard.header.tensors if MARK in f".{name}"]


def _names(shards: list[Shard], manifest: Mapping[str, Any] | None) -> dict[str, str]:
    """What each shard is called in the base: as it was there, else as it is here; one alone is the whole model."""
    files = manifest["files"] if manifest else {}
    names = {shard.name: files.get(shard.name, {}).get("from", shard.name) for shard in shards}
    had_index = manifest is not None and INDEX in manifest["base"]["files"]
    if len(shards) == 1 and not had_index:
        return dict.fromkeys(names, SINGLE)
    return names


def _write_without_gates(source: Checkpoint, shard: Shard, staging: Staging, name: str, progress: Progress) -> None:
    kept = [tensor for each, tensor in shard.header.tensors.items() if MARK not in f".{each}"]
    size = len(encode_header(kept, {"format": "pt"})) + sum(tensor.size for tensor in kept)
    if not staging.has(name, size):
        tensors = SafetensorsTensors(source)
        progress.start(f"writing {name}", size)
        write_tensors(staging.folder / name, kept, lambda tensor: tensors.chunks(tensor.name), progress.advance)


def _check_hashes(
    source: Checkpoint,
    manifest: Mapping[str, Any] | None,
    names: Mapping[str, str],
    staging: Staging,
    progress: Progress,
) -> bool | None:
    """Whether the base's shards have the digests they had when the base was gated; CheckpointError where one has not."""
    files = manifest["files"] if manifest else {}
    known = {name: files[name]["sha256"] for name in names if name in files and files[name]["sha256"]}
    if not known:
        return None
    paths = {name: staging.folder / names[name] for name in known}
    progress.start("hashing", sum(path.stat().st_size for path in paths.values()))
    for name, digest in sha256_of_all(paths, progress.advance).items():
        if digest != known[name]:
            message = f"has the SHA-256 {digest}, but had {known[name]} when the base was gated"
            raise CheckpointError(source.folder / name, message, "fetch the base again")
    return True


def _put_small_files(
    source: Checkpoint, manifest: Mapping[str, Any] | None, names: Mapping[str, str], folder: Path
) -> None:
    """Tokenizer, index and, last, the configuration: the base's own where the manifest has kept it."""
    for name in source.extras:
        (folder / name).parent.mkdir(exist_ok=True)
        copy_file(source.folder / name, folder / name)
    texts = dict(manifest["base"]["files"]) if manifest else {}
    texts.pop(PICKLE_INDEX, None)
    if set(names.values()) == {SINGLE}:
        texts.pop(INDEX, None)
    elif INDEX not in texts:
        weight_map = {name: names[shard.name] for name, (shard, _) in source.tensors.items() if MARK not in f".{name}"}
        size = sum(tensor.size for name, (_, tensor) in source.tensors.items() if name in weight_map)
        document = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}
        texts[INDEX] = encode(document).decode()
    if CONFIG not in texts or (manifest and manifest["dtype"] != "keep"):
        texts[CONFIG] = encode(base_config(source.config)).decode()
    config = texts.pop(CONFIG)
    for name, text in texts.items():
        write_file(folder / name, [text.encode()])
    write_file(folder / CONFIG, [config.encode()])


def folder_hashes(folder: Path) -> dict[str, str]:
    """The digest of every file of a folder by relative path, for comparing two of them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256_of(path) for path in files}
