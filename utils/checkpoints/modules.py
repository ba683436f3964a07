"""The gates of a model as its own classes make them, for kinds of gate whose shapes follow from the base's modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from checkpoints.architectures import Architecture
from checkpoints.errors import CheckpointError
from checkpoints.homes import import_package
from checkpoints.layout import CONFIG


_NUMBERED = re.compile(r"^(.+?)\.([0-9]+)\.(.+)$")


def made_gates(
    folder: Path, config: Mapping[str, Any], architecture: Architecture, stack: str
) -> dict[str, tuple[int, ...]]:
    """The weights of the gates that a model of this configuration has, with their shapes, in the order of the layers.

    The model is built without memory. Its names are those of the checkpoint from the list of layers on, which the checkpoint
    calls `stack`. Needs torch, which gates of one row do not.

    Raises CheckpointError where the configuration makes no such model, or one without gates.
    """
    import torch

    package = architecture.facts.package
    module = import_package(architecture.folder).__name__
    modeling = import_module(f"{module}.modeling_{package}")
    configuration = import_module(f"{module}.configuration_{package}")
    try:
        made = getattr(configuration, architecture.config.name)(**config)
        with torch.device("meta"):
            model = getattr(modeling, architecture.facts.text_model.name)(made.get_text_config())
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        message = (
            f"makes no {architecture.facts.text_model.name}: {str(error).splitlines()[0] if str(error) else error!r}"
        )
        raise CheckpointError(folder / CONFIG, message, "correct the configuration, or fetch it again") from error
    found = {}
    for name, weight in model.named_parameters():
        numbered = _NUMBERED.match(name)
        if architecture.facts.names.mark in f".{name}" and numbered:
            found[f"{stack}.{numbered[2]}.{numbered[3]}"] = tuple(weight.shape)
    if not found:
        message = f"makes a {architecture.facts.text_model.name} without gates"
        raise CheckpointError(folder / CONFIG, message, "give a base whose layers have what the gates scale")
    return found
