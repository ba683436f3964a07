"""`quality_gate_manifest.json`: where every tensor and every file of a gated checkpoint comes from."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from naming.kinds import MEANT

from checkpoints.documents import read_document
from checkpoints.errors import CheckpointError
from checkpoints.forms import BAD_MANIFEST, check_manifest, is_shard_name
from checkpoints.layout import CONFIG, INDEX, PICKLE_INDEX, PICKLES
from checkpoints.paths import file_inside, is_there, own_file, regular_file
from checkpoints.plan import Plan


MANIFEST = f"{MEANT.attribute}_manifest.json"
_FORM = 1  # of the manifest itself
_PACKAGES = ("quality-gate", "numpy", "safetensors", "transformers")


def make_manifest(plan: Plan, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The manifest of a checkpoint as it was planned.

    Args:
        plan: what was written.
        files: name of every other file -> "size" and "sha256", "from" and "how". Where the digest is not computed yet, it
            is None, and "modified" says when the file was written, in nanoseconds.
    """
    options = plan.options
    gate = next(gate for gate in plan.gates if not (plan.bank and gate == plan.bank.tensor))
    bank = {"bank": {"sha256": plan.bank.digest, "given": True}} if plan.bank and plan.bank.digest else {}
    return {
        "manifest": _FORM,
        "fingerprint": plan.fingerprint,
        "method": plan.method,
        "base": {
            "source": plan.source,
            "model_type": plan.config["model_type"].removeprefix(plan.architecture.facts.names.family),
            "format": plan.base.kind,
            "files": _texts(plan),
            "left_out": dict.fromkeys(plan.base.left_out, "not part of the model") | dict(plan.tensors.left_out),
        },
        "model_type": plan.config["model_type"],
        "gates": {
            "file": plan.gates_file,
            "tensors": [gate.name for gate in plan.gates],
            "shape": list(gate.shape),
            "dtype": gate.dtype,
            "mean": options.init_mean,
            "std": options.init_std,
            "seed": options.seed,
            **bank,
        },
        "dtype": options.dtype,
        "experts": options.experts,
        "versions": {name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "files": dict(sorted(files.items())),
        "tensors": dict(sorted(_tensors(plan).items())),
    }


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a gated checkpoint, None where there is none.

    Raises CheckpointError where it is not of the form that `make_manifest` gives it, or names files outside the folder.
    """
    path = folder / MANIFEST
    if not is_there(path):
        return None
    _, found = read_document(path)
    if found.get("manifest") != _FORM:
        fix = "remove it, or gate the base again"
        raise CheckpointError(path, "is not a manifest of this version", fix, code=BAD_MANIFEST)
    check_manifest(folder, path, found)
    return found


def changed_files(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """The files that are not there any more, not as long as they were, or written again before they were hashed."""
    files = {name: listed_file(folder, name) for name in manifest["files"]}
    return [name for name, path in files.items() if path is None or _is_changed(path, manifest["files"][name])]


def listed_file(folder: Path, name: str) -> Path | None:
    """A file that the manifest lists; None where it is gone, or no file of this folder: a link elsewhere, a device.

    Weights may be links to anywhere: `--link symlink` makes such.
    """
    path = file_inside(folder, name, folder / MANIFEST)
    try:
        return regular_file(path) if is_shard_name(name) else own_file(folder, path)
    except CheckpointError:
        return None


def _is_changed(path: Path, entry: Mapping[str, Any]) -> bool:
    state = path.stat()
    return bool(state.st_size != entry["size"] or state.st_mtime_ns != entry.get("modified", state.st_mtime_ns))


def _texts(plan: Plan) -> dict[str, str]:
    """The base's own small files that the gated checkpoint has others for; removing the gates brings them back."""
    index = PICKLE_INDEX if plan.base.kind == PICKLES else INDEX
    texts = {CONFIG: plan.base.config_text, index: plan.base.index_text}
    return {name: text for name, text in texts.items() if text}


def _tensors(plan: Plan) -> dict[str, Any]:
    """Every tensor of the base -> where it went. Fused or separated ones name their parts."""
    entries = {}
    for shard in plan.shards:
        for name, (tensor, parts) in shard.tensors.items():
            entry: dict[str, Any] = {"file": shard.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}
            if shard.linked:
                entry["from"] = shard.linked.name
            elif [part.name for part in parts] != [name]:
                entry["parts"] = [[part.name, part.start, part.stop] for part in parts]
            source = plan.tensors.known[parts[0].name]
            if source.dtype != tensor.dtype:
                entry["cast_from"] = source.dtype
            entries[name] = entry
    return entries


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
