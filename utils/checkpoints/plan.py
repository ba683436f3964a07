"""What gating a checkpoint is going to write, decided before anything is written."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diagnostics.names import nearest
from naming.declared import beside
from naming.kinds import MEANT, GateNames

from checkpoints.architectures import Architecture, find_architecture, known_kinds, refuse_undeclared
from checkpoints.banks import Bank, PlannedBank, plan_bank
from checkpoints.casting import DTYPES, target_dtype
from checkpoints.configs import auto_map, gated_config
from checkpoints.errors import CheckpointError
from checkpoints.experts import KEEP, TensorSlice, regroup
from checkpoints.fields import completed_fields, fields_of
from checkpoints.gates import gate_tensors
from checkpoints.headers import Tensor
from checkpoints.homes import OURS, Homes
from checkpoints.layout import CONFIG, SAFETENSORS, SINGLE, Checkpoint, Shard
from checkpoints.opening import open_tensors
from checkpoints.released import OPTION, code_for
from checkpoints.tensors import Tensors
from checkpoints.writing import COPY, HARD, SYMLINK, existing


OVERLAY, STREAM = "overlay", "stream"
_SHARD_SIZE = 4 << 30  # bytes, of a shard that is written anew; a larger tensor gets one of its own
_SHARD_NAME = re.compile(r"[\w.\-]+\.safetensors")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    gate: str = MEANT.kind
    mode: str = ""  # of gates other than the usual ones; "" for the default
    model: str = "auto"
    init_mean: float = 0.0
    init_std: float = 0.02
    seed: int = 42
    dtype: str = "keep"
    link: str = HARD
    experts: str = KEEP
    export_code: bool = False
    for_transformers: str = ""  # the release that the code is for: a version or a folder; "" for that of `generated/`
    fields: Mapping[str, Any] = field(default_factory=dict)  # of the gated configuration, other than their defaults

    def check(self, names: GateNames) -> None:
        """Raise CheckpointError where a value makes no sense for this kind of gate."""
        numbers_fit = math.isfinite(self.init_mean) and math.isfinite(self.init_std) and self.init_std >= 0
        rules = (
            (numbers_fit, "--init-mean and --init-std", "must be finite, the deviation not negative", "0.0 and 0.02"),
            (0 <= self.seed < 2**32, "--seed", f"is {self.seed}, not in [0, 2^32)", "any other number"),
            (
                self.dtype == "keep" or self.dtype in DTYPES,
                "--dtype",
                f"is {self.dtype!r}",
                f"keep, {', '.join(DTYPES)}",
            ),
            (
                self.gate == MEANT.kind
                or (self.init_mean, self.init_std) == (0.0, 0.02)
                and (self.seed == 42 or names.is_drawn),
                "--init-mean, --init-std and --seed",
                f"say how {MEANT.kind} gates are drawn, and {self.gate} gates start as the base is",
                "none of them",
            ),
            (
                self.export_code or not self.for_transformers,
                OPTION,
                "says which release the model's code is for, and no code is copied along",
                "--export-code as well",
            ),
            (self.link in (HARD, SYMLINK, COPY), "--link", f"is {self.link!r}", f"{HARD}, {SYMLINK} or {COPY}"),
        )
        for holds, name, wrong, right in rules:
            if not holds:
                raise CheckpointError(name, wrong, f"give {right}")


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """A file of weights to be made: linked from one of the base, or written tensor by tensor."""

    name: str
    tensors: Mapping[str, tuple[Tensor, tuple[TensorSlice, ...]]]  # what goes in, and where its bytes come from
    linked: Shard | None = None

    @property
    def size(self) -> int:
        """Bytes of tensors in it."""
        return sum(tensor.size for tensor, _ in self.tensors.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will be in the gated checkpoint."""

    base: Checkpoint
    source: str  # how the base was named
    output: Path
    options: Options
    architecture: Architecture
    tensors: Tensors
    shards: tuple[PlannedShard, ...]
    gates: tuple[Tensor, ...]
    config: Mapping[str, Any]
    code: tuple[Path, ...]
    bank: PlannedBank | None = None  # of the gates' tensors, the first

    @property
    def gates_file(self) -> str:
        """The file that the gates are in."""
        return gates_file(self.options.gate)

    @property
    def method(self) -> str:
        """OVERLAY where the base's files are used as they are, STREAM where tensors are written anew."""
        return OVERLAY if all(shard.linked for shard in self.shards) else STREAM

    @property
    def copies(self) -> bool:
        """Whether the base's files cannot be linked, or shall not be."""
        if self.options.link == HARD and self.base.shards:
            here = existing(self.output).stat().st_dev
            return any(shard.path.stat().st_dev != here for shard in self.base.shards)
        return self.options.link == COPY

    @property
    def bytes_to_write(self) -> int:
        """How much disk space the checkpoint takes, roughly: the manifest names every tensor."""
        weights = sum(shard.size for shard in self.shards if self.copies or not shard.linked)
        small = [self.base.folder / name for name in self.base.extras] + list(self.code)
        named = 400 * sum(len(shard.tensors) for shard in self.shards)
        return weights + named + sum(gate.size for gate in self.gates) + sum(path.stat().st_size for path in small)

    @property
    def fingerprint(self) -> str:
        """A digest of all that decides what is written: a partial folder with another one is of another run."""
        base = [(shard.name, shard.size, shard.path.stat().st_mtime_ns) for shard in self.base.shards]
        code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.code]
        options = {name: getattr(self.options, name) for name in Options.__slots__ if name != "fields"}
        shards = [(shard.name, bool(shard.linked), list(shard.tensors)) for shard in self.shards]
        known = [base, self.base.config_text, self.base.extras, code, options, shards, dict(self.config)]
        known += [self.bank.digest] if self.bank else []
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def gates_file(kind: str) -> str:
    """The file that gates of a kind are in: "model-quality-gates.safetensors"."""
    return f"model-{kind}-gates.safetensors"


def make_plan(
    base: Checkpoint, source: str, output: Path, options: Options, homes: Homes = OURS, bank: Bank | None = None
) -> Plan:
    """Decide what to write. Raises CheckpointError where the base cannot be gated.

    Args:
        base: the checkpoint to gate.
        source: how the base was named, which the manifest keeps.
        output: the folder that will be written.
        options: what the command line says.
        homes: the folders of generated models.
        bank: the rows that a bank begins with, if any.
    """
    names = _names_of(options.gate, homes)
    options.check(names)
    tensors = open_tensors(base)
    config_of_base = base.config or tensors.config  # a GGUF file says in its own terms what the model is
    architecture = find_architecture(base.folder, config_of_base, options.model, homes, names)
    fields = fields_of(options.mode, options.fields, options.init_mean, options.init_std, architecture)
    config = gated_config(base.folder, config_of_base, architecture, options.dtype, **fields)
    settled = completed_fields(config, bool(options.fields), architecture)
    gates = gate_tensors(base.folder, tensors.known, config, architecture)
    if not names.is_float32:  # projections like others
        wanted = DTYPES.get(options.dtype, "keep")
        gates = [replace(gate, dtype=target_dtype(gate.dtype, wanted)) for gate in gates]
    code: tuple[Path, ...] = ()
    if options.export_code:
        package, release = architecture.facts.package, options.for_transformers
        files = (f"{kind}_{package}.py" for kind in ("configuration", "modeling"))
        code = code_for(release, package) if release else tuple(architecture.folder / name for name in files)
        config["auto_map"] = auto_map(architecture)
    shards = _plan_shards(base, tensors, options, config_of_base, known_kinds(homes))
    pad = settled.get("memory_pad_token_id", 0)
    rows = plan_bank(gates, architecture.facts.names.bank, config, pad, bank, base)
    return Plan(base, source, output, options, architecture, tensors, shards, tuple(gates), config, code, rows)


def _names_of(kind: str, homes: Homes) -> GateNames:
    known = known_kinds(homes)
    if kind not in known:
        close = nearest(kind, known)
        told = f"did you mean --gate {close}?" if close else f"give one of {', '.join(known)}"
        raise CheckpointError("--gate", f"there is no model with gates of the kind {kind!r}", told)
    names = GateNames(kind, tuple(map(beside, homes)))
    refuse_undeclared(names, "--gate")
    return names


def _plan_shards(
    base: Checkpoint, tensors: Tensors, options: Options, config: Mapping[str, Any], kinds: Sequence[str]
) -> tuple[PlannedShard, ...]:
    dtype = DTYPES.get(options.dtype, "keep")
    wanted = {
        name: (Tensor(name, target_dtype(tensor.dtype, dtype), tensor.shape), (TensorSlice(name),))
        for name, tensor in tensors.known.items()
    }
    regrouped = regroup(base.folder, wanted, options.experts, str(config.get("model_type")))
    as_they_are = all(tensor.dtype == tensors.known[name].dtype for name, (tensor, _) in wanted.items())
    if base.kind == SAFETENSORS and as_they_are and regrouped == wanted:
        return tuple(
            PlannedShard(_linked_name(base, shard, kinds), {name: wanted[name] for name in shard.tensors}, shard)
            for shard in base.shards
        )
    groups = _groups(regrouped)
    return tuple(
        PlannedShard(f"model-{number:05}-of-{len(groups):05}.safetensors", group)
        for number, group in enumerate(groups, 1)
    )


def _linked_name(base: Checkpoint, shard: Shard, kinds: Sequence[str]) -> str:
    """`model.safetensors` alone would be loaded without looking at the index, and so without the gates."""
    if shard.name == SINGLE:
        return "model-00001-of-00001.safetensors"
    if not _SHARD_NAME.fullmatch(shard.name) or shard.name in map(gates_file, kinds):
        message = "is not a name for a shard"
        raise CheckpointError(base.folder / shard.name, message, "rename the shard, and in the index as well")
    return shard.name


def _groups(
    tensors: Mapping[str, tuple[Tensor, tuple[TensorSlice, ...]]],
) -> list[dict[str, tuple[Tensor, tuple[TensorSlice, ...]]]]:
    groups: list[dict[str, tuple[Tensor, tuple[TensorSlice, ...]]]] = [{}]
    size = 0
    for name, planned in tensors.items():
        if groups[-1] and size + planned[0].size > _SHARD_SIZE:
            groups.append({})
            size = 0
        groups[-1][name] = planned
        size += planned[0].size
    return groups


def index_of(shards: tuple[PlannedShard, ...], gates: tuple[Tensor, ...], file: str) -> dict[str, Any]:
    """The index that lists every tensor of the gated checkpoint."""
    weight_map = {name: shard.name for shard in shards for name in shard.tensors}
    weight_map |= {gate.name: file for gate in gates}
    size = sum(shard.size for shard in shards) + sum(gate.size for gate in gates)
    return {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}


def check_output(output: Path, base: Path) -> None:
    """Raise CheckpointError where the output is the base, inside it, around it, or no folder."""
    if output.is_symlink() and not output.exists():
        raise CheckpointError(output, "is a symbolic link to nothing, or a loop of them", "choose another --output")
    inside = output.resolve(), base.resolve()
    if inside[0] == inside[1] or inside[1] in inside[0].parents or inside[0] in inside[1].parents:
        raise CheckpointError(output, "is the base itself, or one lies in the other", "choose another --output")
    if output.exists() and not output.is_dir():
        raise CheckpointError(output, "is a file", "choose another --output")
    if (output / CONFIG).exists() and not any(output.glob(f"{MEANT.family}*.json")):
        raise CheckpointError(output, "holds a checkpoint already", "choose another --output, or remove it")
