"""Whether a gated checkpoint holds its base, the whole base, and besides it nothing but gates. Streams, without torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from math import prod
from typing import Any

import numpy as np
from naming.kinds import MEANT, GateNames

from checkpoints.casting import FLOATS
from checkpoints.configs import names_of, text_config
from checkpoints.errors import CheckpointError
from checkpoints.experts import KEEP, TensorSlice
from checkpoints.forms import check_promises
from checkpoints.hashing import sha256_of_all
from checkpoints.headers import Tensor
from checkpoints.layout import CONFIG, Checkpoint
from checkpoints.manifest import changed_files, listed_file, read_manifest
from checkpoints.opening import open_tensors
from checkpoints.progress import Progress
from checkpoints.tensors import Tensors, cast_chunks


SIGMAS = 5  # a sound set of gates fails once in two million


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `passed` is None where it was not, and `found` says why."""

    name: str
    passed: bool | None
    found: str


def compare_weights(
    base: Checkpoint, gated: Checkpoint, trained: bool, progress: Progress, names: GateNames | None = None
) -> Iterator[Check]:
    """Checks of files and tensors, one after the other; a tensor is never held whole.

    Args:
        base, gated: the checkpoints.
        trained: whether the gates were trained since, so that their statistics say nothing about how they began.
        progress: who is told about bytes that were compared.
        names: the kind of gate; without, that of the gated checkpoint.

    Raises:
        CheckpointError: files or tensors of one of them cannot be read.
    """
    names = names or names_of(gated.config)
    ours, theirs = open_tensors(gated), open_tensors(base)
    check_promises(base.folder / CONFIG, base.config, len(theirs.known))
    check_promises(gated.folder / CONFIG, gated.config, len(ours.known))
    manifest = read_manifest(gated.folder)
    yield _check_files(gated, manifest, progress)
    parts = _parts(ours, theirs, manifest)
    yield from _check_tensors(base, gated, ours, theirs, parts, progress)
    extra = sorted(name for name in ours.known if name not in parts)
    foreign = [name for name in extra if not names.owns(name)]
    said = f"{len(extra)} besides the base's, all of them gates" if not foreign else f"not gates: {_some(foreign)}"
    yield Check("extra tensors are gates", not foreign and bool(extra), said if extra else "there are no gates")
    gates = [ours.known[name] for name in extra if names.owns(name)]
    yield _check_gate_count(gated, gates, names)
    yield _check_gate_values(gated, ours, gates, names, trained)


def gate_values(tensors: Tensors, gates: list[Tensor]) -> np.ndarray:
    """All weights of all gates, in float64: `[gates * hidden]`."""
    data = (b"".join(cast_chunks(tensors, gate.name, "F32")) for gate in gates)
    return np.concatenate([np.frombuffer(each, np.float32) for each in data]).astype(np.float64)


def _check_files(gated: Checkpoint, manifest: Mapping[str, Any] | None, progress: Progress) -> Check:
    name = "files are those of the manifest"
    if manifest is None:
        return Check(name, None, "there is no manifest: the checkpoint was saved by something else")
    paths = {file: listed_file(gated.folder, file) for file in manifest["files"]}
    lost = sorted(file for file, path in paths.items() if path is None)
    known = {file: path for file, path in paths.items() if path is not None and manifest["files"][file]["sha256"]}
    progress.start("hashing", sum(path.stat().st_size for path in known.values()))
    digests = sha256_of_all(known, progress.advance) if known else {}
    wrong = sorted(file for file, digest in digests.items() if digest != manifest["files"][file]["sha256"])
    stale = sorted({*changed_files(gated.folder, manifest)} - {*lost, *wrong})
    if lost or wrong or stale:
        said = [f"missing: {_some(lost)}"] * bool(lost) + [f"another SHA-256: {_some(wrong)}"] * bool(wrong)
        said += [f"changed before they were hashed: {_some(stale)}"] * bool(stale)
        return Check(name, False, "; ".join(said))
    pending = len(paths) - len(known)
    return Check(name, True, f"{len(known)} hashes equal" + (f", {pending} not computed yet" if pending else ""))


def _parts(ours: Tensors, theirs: Tensors, manifest: Mapping[str, Any] | None) -> dict[str, tuple[TensorSlice, ...]]:
    """The gated checkpoint's tensors that come from the base -> the base's tensors they should consist of."""
    parts: dict[str, tuple[TensorSlice, ...]] = {
        name: (TensorSlice(name),) for name in ours.known if name in theirs.known
    }
    if manifest is not None and manifest.get("experts", KEEP) != KEEP:
        for name, entry in manifest["tensors"].items():
            if name in ours.known and name not in parts and "parts" in entry:
                parts[name] = tuple(TensorSlice(*part) for part in entry["parts"])
    return parts


def _check_tensors(
    base: Checkpoint,
    gated: Checkpoint,
    ours: Tensors,
    theirs: Tensors,
    parts: Mapping[str, tuple[TensorSlice, ...]],
    progress: Progress,
) -> Iterator[Check]:
    used = {part.name for each in parts.values() for part in each}
    missing = sorted(theirs.known.keys() - used)
    said = f"all {len(theirs.known)}" if not missing else f"{len(missing)} missing: {_some(missing)}"
    yield Check("base tensors are present", not missing, said)
    progress.start("comparing", sum(ours.known[name].size for name in parts))
    wrong, cast, linked = [], 0, _linked(base, gated)
    for name, sources in parts.items():
        tensor = ours.known[name]
        if name in linked:
            progress.advance(tensor.size)
        elif reason := _difference(ours, theirs, tensor, sources, progress):
            wrong.append(f"{name} ({reason})")
        cast += any(part.name in theirs.known and theirs.known[part.name].dtype != tensor.dtype for part in sources)
    progress.stop()
    said = f"all {len(parts)}, {len(linked)} of them in the same files" + (f", {cast} rounded" if cast else "")
    yield Check("base tensors are equal", not wrong, said if not wrong else f"{len(wrong)} differ: {_some(wrong)}")


def _linked(base: Checkpoint, gated: Checkpoint) -> set[str]:
    """Tensors that are the same bytes of the same file on disk under both names."""
    files = {(shard.path.stat().st_dev, shard.path.stat().st_ino) for shard in base.shards}
    shards = [shard for shard in gated.shards if (shard.path.stat().st_dev, shard.path.stat().st_ino) in files]
    return {name for shard in shards for name in shard.tensors}


def _difference(
    ours: Tensors, theirs: Tensors, tensor: Tensor, sources: tuple[TensorSlice, ...], progress: Progress
) -> str | None:
    """How a tensor differs from what it should consist of, each bit counting; None where it does not."""
    if any(part.name not in theirs.known for part in sources):
        return "is made of tensors that the base has not"
    if not _fit(tensor, sources, theirs):
        return "is made of parts that have not its size"
    source = theirs.known[sources[0].name]
    if sources == (TensorSlice(tensor.name),) and source.shape != tensor.shape:
        return f"shape {list(tensor.shape)}, not {list(source.shape)}"
    if source.dtype != tensor.dtype and not {source.dtype, tensor.dtype} <= set(FLOATS):
        return f"type {tensor.dtype}, not {source.dtype}"
    expected = (
        chunk for part in sources for chunk in cast_chunks(theirs, part.name, tensor.dtype, part.start, part.stop)
    )
    for one, other in _side_by_side(ours.chunks(tensor.name), expected):
        progress.advance(len(one))
        if one != other:
            return "values"
    return None


def _fit(tensor: Tensor, sources: tuple[TensorSlice, ...], theirs: Tensors) -> bool:
    """Whether parts lie in the tensors that they are of, and have as many elements together as they should.

    Only more than a name is looked at: a tensor of another shape than its base's is told as such.
    """
    if sources == (TensorSlice(tensor.name),):
        return True
    sizes = [prod(theirs.known[part.name].shape) for part in sources]
    ends = [size if part.stop is None else part.stop for part, size in zip(sources, sizes, strict=True)]
    inside = all(part.start <= end <= size for part, end, size in zip(sources, ends, sizes, strict=True))
    return inside and sum(end - part.start for part, end in zip(sources, ends, strict=True)) == prod(tensor.shape)


def _side_by_side(ours: Iterator[bytes], theirs: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Two streams cut at the same places, whatever pieces they come in; the longer one's rest meets nothing."""
    one, other = b"", b""
    for ours_next, theirs_next in zip_longest(ours, theirs, fillvalue=b""):
        one, other = one + ours_next, other + theirs_next
        common = min(len(one), len(other))
        yield one[:common], other[:common]
        one, other = one[common:], other[common:]
    if one or other:
        yield one, other


def _check_gate_count(gated: Checkpoint, gates: list[Tensor], names: GateNames) -> Check:
    text = text_config(gated.config)
    layers, hidden = text.get("num_hidden_layers"), text.get("hidden_size")
    manifest = read_manifest(gated.folder)
    wanted = len(manifest["gates"]["tensors"]) if manifest else layers
    shapes = sorted({tuple(gate.shape) for gate in gates})
    if names.bank:
        return _check_memory(gates, names, len(manifest["gates"]["tensors"]) if manifest else None)
    of_rows = names != MEANT  # a row for each head or channel, or whatever another kind has
    count = len(gates) if manifest or not of_rows else len(names.above(gate.name for gate in gates))
    passed = count == wanted and all(of_rows or shape == (1, hidden or shape[-1]) for shape in shapes if shape)
    passed &= of_rows or () not in shapes
    said = f"{count} of {wanted}, of shape {', '.join(str(list(shape)) for shape in shapes) or 'none'}"
    return Check("a gate in every layer", passed and bool(gates), said)


def _check_memory(gates: list[Tensor], names: GateNames, wanted: int | None) -> Check:
    """Which layers have gates depends on the configuration; there is one bank, of whole numbers."""
    banks = [gate for gate in gates if gate.name.endswith(names.bank)]
    passed = len(banks) == 1 and banks[0].dtype == "I64" and len(banks[0].shape) == 2
    passed &= len(gates) > 1 and len(gates) == (wanted or len(gates))
    shape = list(banks[0].shape) if banks else "none"
    return Check("gates and their bank", passed, f"{len(gates)} of {wanted or len(gates)}, a bank of {shape}")


def _check_gate_values(
    gated: Checkpoint, tensors: Tensors, gates: list[Tensor], names: GateNames, trained: bool
) -> Check:
    """Mean and deviation against those of the configuration, within what chance does to that many numbers."""
    name = "gates are as they were drawn"
    text = text_config(gated.config)
    gates = [gate for gate in gates if not (names.bank and gate.name.endswith(names.bank))]
    if not gates:
        return Check(name, False, "there are no gates")
    if other := sorted({gate.dtype for gate in gates} - set(FLOATS)):
        return Check(name, False, f"they are of the type {', '.join(other)}")
    values = gate_values(tensors, gates)
    if not np.isfinite(values).all():
        return Check(name, False, f"{np.count_nonzero(~np.isfinite(values))} weights are not numbers")
    mean, std = float(values.mean()), float(values.std())
    said = f"mean {mean:.6f}, deviation {std:.6f}, from {values.min():.4f} to {values.max():.4f}"
    if trained:
        return Check(name, None, f"{said}: trained since")
    if names != MEANT:
        return _check_zeros(name, said, text, tensors, gates, names)
    wanted_mean, wanted_std = (text.get(MEANT.field(name)) for name in ("init_mean", "init_std"))
    if not isinstance(wanted_mean, int | float) or not isinstance(wanted_std, int | float):
        raise CheckpointError(gated.folder, "does not say how its gates were drawn", "give --trained")
    error = max(wanted_std, 1e-7) * SIGMAS / math.sqrt(values.size)
    passed = abs(mean - wanted_mean) <= error + 1e-6 * abs(wanted_mean)
    passed &= abs(std - wanted_std) <= error / math.sqrt(2) + 1e-6 * abs(wanted_mean)
    return Check(name, passed, f"{said}; configured {wanted_mean}, {wanted_std}, {SIGMAS} sigma are {error:.6f}")


def _check_zeros(
    name: str, said: str, text: Mapping[str, Any], tensors: Tensors, gates: list[Tensor], names: GateNames
) -> Check:
    """Whether those gates are zeros that their kind starts so, where it is configured to equal its base."""
    if names.start:
        said += f"; configured {', '.join(str(text.get(field)) for field in names.start)}"
    if any(text.get(field) != value for field, value in names.start.items()):
        return Check(name, None, said)
    if not names.zeros:
        return Check(name, None, f"{said}; they start as the model has it")
    silent = [gate for gate in gates if any(part in f".{gate.name}" for part in names.zeros)]
    passed = bool(silent) and not gate_values(tensors, silent).any()
    if len(silent) < len(gates):
        said += f"; {len(silent)} that write are{'' if passed else ' not'} zeros"
    return Check(name, passed, said)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
