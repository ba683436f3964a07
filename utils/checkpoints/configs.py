"""The configuration of a base -> that of the gated model, and back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facts.values import base_name
from naming.kinds import GateNames, kind_of

from checkpoints.architectures import Architecture, is_gate_field
from checkpoints.errors import CheckpointError
from checkpoints.homes import OURS, Homes
from checkpoints.layout import CONFIG
from generated.autos import auto_classes


_TEXT = "text_config"
# Blocks that the gated class unpacks as the base does. Of other quantizers nothing says that gates escape them.
QUANTIZERS = ("mxfp4",)


def gated_config(
    folder: Path, base: Mapping[str, Any], architecture: Architecture, dtype: str, **fields: float | str
) -> dict[str, Any]:
    """The base's fields under the gated names, with the gates' fields.

    Args:
        folder: the base checkpoint, for the text of a refusal.
        base: its configuration.
        architecture: what it becomes.
        dtype: the type of the weights, "float32", ...; "keep" leaves the field as it is.
        fields: values of gate fields other than their defaults.

    Raises:
        CheckpointError: a head that the gated model does not have, or weights packed by an unknown quantizer.
    """
    _refuse_quantizers(folder, base)
    config = copy.deepcopy(dict(base))
    config["model_type"] = architecture.config.model_type
    if heads := base.get("architectures"):
        config["architectures"] = [_gated_head(folder, head, architecture) for head in heads]
    config.pop("auto_map", None)  # names code of the base
    text = config
    if architecture.config.is_composite:
        text = config[_TEXT] = config.get(_TEXT) or {}
        text["model_type"] = architecture.facts.text_config.model_type
        text.pop("architectures", None)
    text |= architecture.gate_defaults | fields
    if dtype != "keep":
        for part in (config, *(part for part in config.values() if isinstance(part, dict))):
            for name in ("dtype", "torch_dtype"):
                if name in part:
                    part[name] = dtype
        config["dtype"] = dtype
        config.pop("torch_dtype", None)
    return config


def base_config(gated: Mapping[str, Any], names: GateNames | None = None) -> dict[str, Any]:
    """What `gated_config` was given, as far as the result tells: for checkpoints that were saved anew since.

    `names` is its kind of gate, where that is known already.
    """
    config = copy.deepcopy(dict(gated))
    config.pop("auto_map", None)
    names = names or names_of(gated)
    for part in (config, config.get(_TEXT)):
        if isinstance(part, dict):
            part["model_type"] = str(part.get("model_type", "")).removeprefix(names.family)
            if "architectures" in part:
                part["architectures"] = [base_name(head) for head in part["architectures"] or ()]
            for name in [name for name in part if is_gate_field(name, names)]:
                part.pop(name)
    return config


def names_of(config: Mapping[str, Any], homes: Homes = OURS) -> GateNames:
    """The kind of gate of a checkpoint, by its configuration; of a base's, the kind that is meant.

    Args:
        config: of the checkpoint.
        homes: folders of generated models, in whose projects the kind is looked for first.
    """
    return kind_of(str(config.get("model_type", "")), homes)


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a configuration that describes the text model."""
    text = config.get(_TEXT)
    return text if isinstance(text, Mapping) else config


def auto_map(architecture: Architecture) -> dict[str, str]:
    """Auto classes -> where in the exported code they find the gated classes."""
    package = architecture.facts.package
    files = {"AutoConfig": f"configuration_{package}.{architecture.config.name}"}
    for gated in architecture.heads.values():
        for auto in auto_classes(architecture.config.model_type, gated):
            files.setdefault(auto, f"modeling_{package}.{gated}")
    return files


def _gated_head(folder: Path, head: str, architecture: Architecture) -> str:
    if head not in architecture.heads:
        message = f"the gated {architecture.facts.name} has no {head} (it has: {', '.join(architecture.heads)})"
        raise CheckpointError(folder / CONFIG, message, "save the base with one of these classes first")
    return architecture.heads[head]


def _refuse_quantizers(folder: Path, base: Mapping[str, Any]) -> None:
    quantization = base.get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    if quantization and method not in QUANTIZERS:
        message = f"the weights are packed with {method or 'an unnamed quantizer'}"
        raise CheckpointError(folder / CONFIG, message, "load the base, dequantise it and save it, then gate that")
