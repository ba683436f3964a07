"""A gated checkpoint -> its base, byte for byte where the base's own files are in it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from files.writing import write_file
from naming.kinds import GateNames

from checkpoints.architectures import refuse_undeclared
from checkpoints.configs import base_config, names_of
from checkpoints.documents import encode_document
from checkpoints.errors import CheckpointError, refusing_what_the_system_refuses
from checkpoints.forms import BAD_MANIFEST, is_shard_name
from checkpoints.hashing import sha256_of_all
from checkpoints.headers import encode_header
from checkpoints.homes import find_homes
from checkpoints.hub import find_folder
from checkpoints.layout import CONFIG, INDEX, SAFETENSORS, SINGLE, Checkpoint, Shard, open_checkpoint
from checkpoints.manifest import MANIFEST, read_manifest
from checkpoints.plan import OVERLAY, check_output
from checkpoints.progress import Progress
from checkpoints.staging import Staging, was_just_published
from checkpoints.tensors import SafetensorsTensors
from checkpoints.writing import COPY, HARD, copy_file, free_space, link_file, write_tensors


# What `memory_bank.py` keeps beside a bank that is in a checkpoint
_BESIDE_BANK = re.compile(r"memory_(bank|log|rejects)\.jsonl?(\.part)?")


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
    gated: str | Path,
    output: str | Path,
    *,
    link: str = HARD,
    progress: Progress | None = None,
    generated: Path | None = None,
) -> Ungated:
    """Remove the gates of a checkpoint.

    Args:
        gated: the folder of a gated checkpoint, of this command's or saved by transformers, or its name on the Hub.
        output: the folder of the base, which comes into being complete, and in one step.
        link: how shards without gates get there: "hard", "symlink" or "copy".
        progress: who is told about bytes that were dealt with.
        generated: a folder of a user's generated models, beside which their kind of gate is declared.

    Raises:
        CheckpointError: the checkpoint is not gated, its kind of gate is declared nowhere, its files are not those of its manifest, or the output cannot be
            written. Nothing is left behind, except when the disk is full.
    """
    began, progress, output = time.perf_counter(), progress or Progress(), Path(output)
    with refusing_what_the_system_refuses(output):
        folder = find_folder(gated)
        source = open_checkpoint(folder)
        kind = names_of(source.config, find_homes(generated, folder))
        _refuse_what_is_not_gated(source, kind)
        check_output(output, folder)
        work = _Work(source, kind, _manifest(source), output, link)
        there = output.exists() and any(output.iterdir())
        if there and not was_just_published(output, work.fingerprint):
            raise CheckpointError(output, "is not empty", "choose another --output, or remove it")
        try:
            if not there:
                _write(work, progress)
        finally:
            progress.stop()
    equal = True if work.hashes else None
    seconds = time.perf_counter() - began
    return Ungated(output, len(work.gates), len(work.clean), len(work.mixed), equal, seconds)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done."""

    source: Checkpoint
    kind: GateNames  # of gate, which knows its weights by their names
    manifest: Mapping[str, Any] | None
    output: Path
    link: str

    @property
    def gates(self) -> list[str]:
        return [name for name in self.source.tensors if self.kind.owns(name)]

    @property
    def extras(self) -> list[str]:
        """Tokenizer and the like, which the base had; what is kept beside a bank goes with the bank."""
        of_base = self.manifest["files"] if self.manifest else {}
        of_bank = bool(self.kind.bank)
        return [
            name for name in self.source.extras if name in of_base or not (of_bank and _BESIDE_BANK.fullmatch(name))
        ]

    @property
    def clean(self) -> list[Shard]:
        """The shards without gates."""
        return [shard for shard in self.source.shards if not _gates_in(shard, self.kind)]

    @property
    def mixed(self) -> list[Shard]:
        """The shards that hold gates among other tensors."""
        return [shard for shard in self.source.shards if 0 < len(_gates_in(shard, self.kind)) < len(shard.tensors)]

    @property
    def names(self) -> dict[str, str]:
        """What each shard is called in the base: as it was there, else as it is here; one alone is the whole model."""
        files = self.manifest["files"] if self.manifest else {}
        names = {shard.name: files.get(shard.name, {}).get("from", shard.name) for shard in self.clean + self.mixed}
        return dict.fromkeys(names, SINGLE) if len(names) == 1 and INDEX not in self.texts else names

    @property
    def texts(self) -> dict[str, str]:
        """The base's own configuration and index, where the manifest has kept them and they fit what is here."""
        if self.manifest is None:
            return {}
        texts = {name: text for name, text in self.manifest["base"]["files"].items() if name in (CONFIG, INDEX)}
        if self.manifest["method"] != OVERLAY:  # the shards were written anew
            texts.pop(INDEX, None)
        if self.manifest["dtype"] != "keep":
            texts.pop(CONFIG, None)
        return texts

    @property
    def hashes(self) -> dict[str, str]:
        """The digests that the shards without gates had when the base was gated, where they are known."""
        files = self.manifest["files"] if self.manifest else {}
        names = [shard.name for shard in self.clean]
        return {name: files[name]["sha256"] for name in names if name in files and files[name]["sha256"]}

    @property
    def fingerprint(self) -> str:
        """What tells this run from others that would write to the same place."""
        state = [(shard.name, shard.size, shard.path.stat().st_mtime_ns) for shard in self.source.shards]
        return json.dumps(["ungate", state, self.link])


def _refuse_what_is_not_gated(source: Checkpoint, kind: GateNames) -> None:
    if source.kind != SAFETENSORS:
        raise CheckpointError(source.folder, f"holds {source.kind} weights", "save it as safetensors first")
    refuse_undeclared(kind, source.folder)
    if not any(map(kind.owns, source.tensors)):
        raise CheckpointError(source.folder, "holds no gates: nothing is to be removed", "give a gated checkpoint")


def _manifest(source: Checkpoint) -> dict[str, Any] | None:
    """The manifest, if it still describes the weights: saving the model again into the folder leaves an old one."""
    manifest = read_manifest(source.folder)
    if manifest is None:
        return None
    shards = {shard.name: shard.size for shard in source.shards}
    described = {name: entry["size"] for name, entry in manifest["files"].items() if name.endswith(".safetensors")}
    return manifest if shards == described else None


def _write(work: _Work, progress: Progress) -> None:
    need = sum(shard.size for shard in (work.source.shards if work.link == COPY else work.mixed))
    if need > free_space(work.output):
        message = f"needs {need:,} bytes, but {free_space(work.output):,} are free"
        raise CheckpointError(work.output, message, "free disk space, or choose an --output on another disk")
    names = work.names
    _check_names(work.source, names)
    small = (*work.extras, *work.texts, INDEX, CONFIG)
    with Staging(work.output, work.fingerprint, [*names.values(), *small]) as staging:
        for shard in work.clean:
            target = staging.folder / names[shard.name]
            if link_file(shard.path, target, work.link) == COPY:
                progress.start(f"copying {shard.name}", shard.size)
                copy_file(shard.path, target, progress.advance)
        for shard in work.mixed:
            _write_without_gates(work, shard, staging, names[shard.name], progress)
        _check_hashes(work, staging.folder, progress)
        _put_small_files(work, staging.folder)
        open_checkpoint(staging.folder)
        staging.publish()


def _check_names(source: Checkpoint, names: Mapping[str, str]) -> None:
    """Every shard gets a name of its own, and one of a shard: a manifest or an index may say anything."""
    wrong = next((name for name in names.values() if not is_shard_name(name)), None)
    if wrong or len(set(names.values())) < len(names):
        reason = f"{wrong!r} is not a name for a shard" if wrong else "two shards would get one name"
        fix = f"remove {MANIFEST}, or gate the base again"
        raise CheckpointError(source.folder, reason, fix, code=BAD_MANIFEST)


def _gates_in(shard: Shard, kind: GateNames) -> list[str]:
    return [name for name in shard.tensors if kind.owns(name)]


def _write_without_gates(work: _Work, shard: Shard, staging: Staging, name: str, progress: Progress) -> None:
    kept = [tensor for each, tensor in shard.tensors.items() if not work.kind.owns(each)]
    size = len(encode_header(kept, {"format": "pt"})) + sum(tensor.size for tensor in kept)
    if not staging.has(name, size):
        tensors = SafetensorsTensors(work.source)
        progress.start(f"writing {name}", size)
        write_tensors(staging.folder / name, kept, lambda tensor: tensors.chunks(tensor.name), progress.advance)


def _check_hashes(work: _Work, folder: Path, progress: Progress) -> None:
    """CheckpointError where a shard is not what it was when the base was gated."""
    known = work.hashes
    paths = {name: folder / work.names[name] for name in known}
    progress.start("hashing", sum(path.stat().st_size for path in paths.values()))
    for name, digest in sha256_of_all(paths, progress.advance).items():
        if digest != known[name]:
            message = f"has the SHA-256 {digest}, but had {known[name]} when the base was gated"
            raise CheckpointError(work.source.folder / name, message, "fetch the base again")


def _put_small_files(work: _Work, folder: Path) -> None:
    """Tokenizer, index and, last, the configuration: the base's own where the manifest has kept it."""
    source, names = work.source, work.names
    for name in work.extras:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy_file(source.folder / name, folder / name)
    texts = work.texts
    if set(names.values()) != {SINGLE} and INDEX not in texts:
        owns = work.kind.owns
        weight_map = {name: names[shard.name] for name, (shard, _) in source.tensors.items() if not owns(name)}
        size = sum(tensor.size for name, (_, tensor) in source.tensors.items() if name in weight_map)
        document = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}
        texts[INDEX] = encode_document(document).decode()
    config = texts.pop(CONFIG, None) or encode_document(base_config(source.config, work.kind)).decode()
    for name, text in texts.items():
        write_file(folder / name, [text.encode()])
    write_file(folder / CONFIG, [config.encode()])
