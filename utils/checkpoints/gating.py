"""A base checkpoint -> a gated one. The overlay needs neither torch nor the memory that the model would take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from files.writing import write_file
from naming.kinds import MEANT

from checkpoints.banks import Bank
from checkpoints.documents import encode_document
from checkpoints.errors import CheckpointError, refusing_what_the_system_refuses
from checkpoints.gates import draw_gates, empty_gates
from checkpoints.hashing import check_promise, sha256_of_all
from checkpoints.headers import Tensor, encode_header
from checkpoints.homes import find_homes
from checkpoints.hub import find_folder, named_gguf
from checkpoints.layout import CONFIG, INDEX, open_checkpoint
from checkpoints.manifest import MANIFEST, changed_files, make_manifest, read_manifest
from checkpoints.modules import started_gates
from checkpoints.plan import Options, Plan, PlannedShard, check_output, index_of, make_plan
from checkpoints.progress import Progress
from checkpoints.staging import Staging, forget_progress, partial_folder
from checkpoints.tensors import cast_chunks
from checkpoints.writing import COPY, copy_file, free_space, is_same_file, link_file, write_tensors


NOW, LATER = "now", "later"  # when files are hashed
CHANGED = "changed-since"
_ROOM = 1 << 20  # bytes that stay free beside what is written


@dataclass(frozen=True, slots=True)
class Gated:
    """What became of a run."""

    plan: Plan
    written: bool  # False: a dry run, or all of it was there
    links: str  # how the base's shards got there: "hard", "symlink", "copy", "" where none did
    hashed: bool  # whether the manifest has the SHA-256 of every file
    seconds: float
    seconds_of_hashing: float


def gate_checkpoint(
    base: str | Path,
    output: str | Path,
    *,
    options: Options | None = None,
    hashes: str = NOW,
    dry_run: bool = False,
    progress: Progress | None = None,
    generated: Path | None = None,
    bank: Bank | None = None,
) -> Gated:
    """Make a gated checkpoint of a base.

    Args:
        base: the folder of a base checkpoint, a GGUF file, or its name on the Hub.
        output: the folder of the gated one, which comes into being complete, and in one step.
        options: architecture, initial gates, type, links, experts, code: see `Options`.
        hashes: "now", or "later": the manifest lacks digests until the same call is made with "now".
        dry_run: whether to plan only.
        progress: who is told about bytes that were dealt with.
        generated: a folder of a user's generated models, looked into before those that come with the tools.
        bank: rows for gates that read a bank, and what reads them; without, all rows are empty.

    Returns:
        The plan, and what was done.

    Raises:
        CheckpointError: the base cannot be gated, or the output cannot be written. Nothing is left behind, except when
            the disk is full: then `OUTPUT.partial` is, and the same call completes it.
    """
    began, progress, options = time.perf_counter(), progress or Progress(), options or Options()
    output = Path(output)
    with refusing_what_the_system_refuses(output):
        folder = find_folder(base)
        opened = open_checkpoint(folder, named_gguf(base))
        plan = make_plan(opened, str(base), output, options, find_homes(generated, folder), bank)
        check_output(output, folder)
        state = _what_is_there(plan)
        if dry_run:
            return Gated(plan, False, "", False, time.perf_counter() - began, 0.0)
        try:
            links, spent = ("", 0.0) if state else _write(plan, hashes, progress)
            if state and hashes == NOW:
                spent = _fill_in_hashes(plan, progress)
            complete = hashes == NOW or state == "hashed"
        finally:
            progress.stop()
    return Gated(plan, not state, links, complete, time.perf_counter() - began, spent)


def describe(plan: Plan) -> list[str]:
    """A plan in words, for a dry run."""
    linked = [shard for shard in plan.shards if shard.linked]
    fresh = [shard for shard in plan.shards if not shard.linked]
    words = {"hard": "hard-link", "symlink": "symlink", COPY: "copy"}
    how = COPY if plan.copies else plan.options.link
    lines = [
        f"{plan.base.folder}: {plan.base.config.get('model_type', plan.base.kind)} -> {plan.config['model_type']}"
    ]
    lines += [
        f"  {words[how]:<10}{shard.name}  {len(shard.tensors):,} tensors, {shard.size:,} bytes" for shard in linked
    ]
    lines += [f"  write     {shard.name}  {len(shard.tensors):,} tensors, {shard.size:,} bytes" for shard in fresh]
    gates = sum(gate.size for gate in plan.gates)
    lines.append(f"  write     {plan.gates_file}  {len(plan.gates):,} gates, {gates:,} bytes")
    lines.append(f"  write     {CONFIG}, {INDEX}, {MANIFEST}")
    small = [path.name for path in plan.code] + list(plan.base.extras)
    lines += [f"  copy      {', '.join(small)}"] if small else []
    lines += [f"  leave out {name}: {why}" for name, why in sorted(plan.tensors.left_out.items())]
    free = free_space(plan.output)
    lines.append(f"{plan.bytes_to_write:,} bytes to write, {free:,} free, into {plan.output}")
    return lines


def _what_is_there(plan: Plan) -> str:
    """ "" where the output is yet to be made, "hashed" or "unhashed" where this plan made it; else it is refused."""
    output = plan.output
    if not output.exists() or not any(output.iterdir()):
        return ""
    manifest = read_manifest(output)
    if manifest is None:
        raise CheckpointError(output, "is not empty", "choose another --output, or remove it")
    if manifest["fingerprint"] != plan.fingerprint:
        message = "holds a gated checkpoint of another base or with other options"
        raise CheckpointError(output, message, "choose another --output, or remove it")
    if changed := changed_files(output, manifest):
        message = f"is not what was written: {', '.join(changed)} changed since"
        raise CheckpointError(output, message, "choose another --output, or remove it", code=CHANGED)
    forget_progress(output)
    return "hashed" if all(entry["sha256"] for entry in manifest["files"].values()) else "unhashed"


def _write(plan: Plan, hashes: str, progress: Progress) -> tuple[str, float]:
    """Fill the staging folder and publish it; how shards were linked, and the seconds that hashing took."""
    need, free = plan.bytes_to_write + _ROOM, free_space(plan.output)
    partial = partial_folder(plan.output)
    done = sum(path.stat().st_size for path in partial.glob("*") if path.is_file()) if partial.exists() else 0
    if need - done > free:
        message = f"needs {need - done:,} bytes, but {free:,} are free"
        raise CheckpointError(plan.output, message, "free disk space, or choose an --output on another disk")
    with Staging(plan.output, plan.fingerprint, _names(plan)) as staging:
        files = {shard.name: _put_shard(plan, shard, staging, progress) for shard in plan.shards}
        files |= _put_small_files(plan, staging)
        spent = 0.0
        if hashes == NOW:
            spent = _hash(plan, staging.folder, files, progress)
        else:
            _note(plan, staging.folder, files)
        config = encode_document(plan.config)
        files[CONFIG] = {"size": len(config), "sha256": sha256(config).hexdigest()}
        write_file(staging.folder / MANIFEST, [encode_document(make_manifest(plan, files))])
        # Last, because without it nothing takes the folder for a model
        write_file(staging.folder / CONFIG, [config])
        open_checkpoint(staging.folder)
        read_manifest(staging.folder)
        staging.publish()
    hows = {entry["how"] for entry in files.values() if "how" in entry}
    return (COPY if COPY in hows else next(iter(hows), "")), spent


def _names(plan: Plan) -> list[str]:
    """What a plan puts into its folder, but for what only a GGUF file knows."""
    shards = [shard.name for shard in plan.shards]
    return [*shards, plan.gates_file, INDEX, MANIFEST, CONFIG, *plan.base.extras, *(path.name for path in plan.code)]


def _put_shard(plan: Plan, shard: PlannedShard, staging: Staging, progress: Progress) -> dict[str, Any]:
    target = staging.folder / shard.name
    if shard.linked:
        how, source = plan.options.link, shard.linked.path
        if how == COPY or not is_same_file(source, target):
            how = link_file(source, target, how)
        if how == COPY and (is_same_file(source, target) or not staging.has(shard.name, shard.linked.size)):
            _need(plan, shard.linked.size)
            progress.start(f"copying {shard.name}", shard.linked.size)
            copy_file(source, target, progress.advance)
        return {"size": shard.linked.size, "sha256": None, "from": shard.linked.name, "how": how}
    tensors = [tensor for tensor, _ in shard.tensors.values()]
    size = len(encode_header(tensors, {"format": "pt"})) + shard.size
    if not staging.has(shard.name, size):
        progress.start(f"writing {shard.name}", size)
        write_tensors(target, tensors, lambda tensor: _bytes_of(plan, shard, tensor), progress.advance)
    return {"size": size, "sha256": None}


def _need(plan: Plan, size: int) -> None:
    """Refuse where a file that was to be linked has to be copied, and does not fit."""
    free = free_space(plan.output)
    if size + _ROOM > free:
        message = f"cannot be linked, and copying a shard needs {size:,} bytes, but {free:,} are free"
        raise CheckpointError(plan.output, message, "choose an --output on the disk of the base, or --link symlink")


def _bytes_of(plan: Plan, shard: PlannedShard, tensor: Tensor) -> Iterable[bytes]:
    for part in shard.tensors[tensor.name][1]:
        yield from cast_chunks(plan.tensors, part.name, tensor.dtype, part.start, part.stop)


def _put_small_files(plan: Plan, staging: Staging) -> dict[str, dict[str, Any]]:
    """Gates, index, tokenizer, code. They are quick to make, and made anew by every run."""
    gates, folder = list(plan.gates), staging.folder
    drawn = _start(plan, gates)
    write_tensors(folder / plan.gates_file, gates, lambda _: next(drawn))
    write_file(folder / INDEX, [encode_document(index_of(plan.shards, plan.gates, plan.gates_file))])
    copied = {name: plan.base.folder / name for name in plan.base.extras} | {path.name: path for path in plan.code}
    with TemporaryDirectory() as made:  # by a tokenizer, in files that it names itself
        if extras := plan.tensors.write_extras(Path(made)):
            copied |= {name: Path(made, name) for name in extras}
            staging.claim(copied)
        for name, source in copied.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy_file(source, folder / name)
    names = (plan.gates_file, INDEX, *copied)
    return {name: {"size": (folder / name).stat().st_size, "sha256": None} for name in names}


def _start(plan: Plan, gates: list[Tensor]) -> Iterator[Iterator[bytes]]:
    """The bytes of new gates, one after the other, and before them those of their bank."""
    names, options = plan.architecture.facts.names, plan.options
    if names == MEANT:
        return draw_gates(gates, options.init_mean, options.init_std, options.seed)
    if not names.is_drawn:
        return empty_gates(gates)
    own = [gate for gate in gates if not (plan.bank and gate == plan.bank.tensor)]
    started = started_gates(plan.base.folder, plan.config, plan.architecture, options.seed, own)
    return chain([plan.bank.chunks()] if plan.bank else [], started)


def _note(plan: Plan, folder: Path, files: dict[str, dict[str, Any]]) -> None:
    """Put into `files` what tells later whether something else is there: when weights were written, digests of the rest."""
    weights = {shard.name for shard in plan.shards}
    small = sha256_of_all({name: folder / name for name in files if name not in weights})
    for name, entry in files.items():
        if name in weights:
            entry["modified"] = (folder / name).stat().st_mtime_ns
        else:
            entry["sha256"] = small[name]


def _hash(plan: Plan, folder: Path, files: dict[str, dict[str, Any]], progress: Progress) -> float:
    """Put digests into `files`; the seconds that took. A shard that is not what the Hub's client fetched is refused."""
    began = time.perf_counter()
    waiting = {name: folder / name for name, entry in files.items() if not entry["sha256"]}
    progress.start("hashing", sum(files[name]["size"] for name in waiting))
    for name, digest in sha256_of_all(waiting, progress.advance).items():
        files[name]["sha256"] = digest
    progress.stop()
    for shard in plan.shards:
        if shard.linked:
            check_promise(plan.base.folder / shard.linked.name, files[shard.name]["sha256"])
    return time.perf_counter() - began


def _fill_in_hashes(plan: Plan, progress: Progress) -> float:
    manifest = read_manifest(plan.output) or {}
    files = manifest["files"]
    known = {name: entry["sha256"] for name, entry in files.items() if entry["sha256"]}
    found = sha256_of_all({name: plan.output / name for name in known})
    if changed := sorted(name for name in known if found[name] != known[name]):
        message = f"is not what was written: {', '.join(changed)} changed since"
        raise CheckpointError(plan.output, message, "choose another --output, or remove it", code=CHANGED)
    spent = _hash(plan, plan.output, files, progress)
    for entry in files.values():
        entry.pop("modified", None)
    write_file(plan.output / MANIFEST, [encode_document(manifest)])
    return spent
