"""The gates of a model as its own classes make them, for kinds of gate whose shapes follow from the base's modules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from diagnostics.errors import words_of

from checkpoints.architectures import Architecture
from checkpoints.casting import cast
from checkpoints.errors import CheckpointError
from checkpoints.headers import Tensor
from checkpoints.homes import import_package
from checkpoints.layout import CONFIG


if TYPE_CHECKING:
    from torch import nn

    from transformers import PreTrainedConfig, PreTrainedModel

_NUMBERED = re.compile(r"^(.+?)\.([0-9]+)\.(.+)$")


def configured(place: Path | str, config: Mapping[str, Any], architecture: Architecture) -> PreTrainedConfig:
    """What a gated model's own configuration makes of these fields, all of it checked.

    Raises CheckpointError, of `place`, for a field that it refuses.
    """
    name = architecture.config.name
    try:
        made: PreTrainedConfig = getattr(_module(architecture, "configuration"), name)(**config)
    except (ImportError, OSError):
        raise
    except Exception as error:  # a checked field raises exceptions of several libraries
        message = f"makes no {name}: {words_of(error, whole=True)}"
        raise CheckpointError(place, message, "correct the field, or the configuration") from error
    return made


def made_gates(
    folder: Path, config: Mapping[str, Any], architecture: Architecture, stack: str, dtype: str
) -> list[Tensor]:
    """The weights of the gates that a model of this configuration has, in the order of the layers, as `dtype`.

    The model is built without memory. Its names are those of the checkpoint from the list of layers on, which the checkpoint
    calls `stack`. A bank of rows, of int64, comes before all. Needs torch, which gates of one row do not.

    Raises CheckpointError where the configuration makes no such model, or one without gates.

    Args:
        folder: the base checkpoint, for the text of a refusal.
        config: the gated configuration.
        architecture: the gated one.
        stack: what the checkpoint calls the list of layers: "model.layers".
        dtype: the type that the gates get, as safetensors spells it: "F32".
    """
    model, names = _model_without_memory(folder, config, architecture), architecture.facts.names
    found, own = [], ""
    for name, weight in model.named_parameters():
        numbered = _NUMBERED.match(name)
        if names.owns(name) and numbered:
            found.append(Tensor(f"{stack}.{numbered[2]}.{numbered[3]}", dtype, tuple(weight.shape)))
            own = numbered[1]
    if not found:
        message = f"makes a {architecture.facts.text_model.name} without gates"
        raise CheckpointError(folder / CONFIG, message, "give a base whose layers have what the gates scale")
    above = stack.removesuffix(own)  # "model." of "model.layers"
    banks = [(name, rows) for name, rows in model.named_buffers() if names.bank and name.endswith(names.bank)]
    return [*(Tensor(above + name, "I64", tuple(rows.shape)) for name, rows in banks), *found]


def started_gates(
    folder: Path, config: Mapping[str, Any], architecture: Architecture, seed: int, tensors: Sequence[Tensor]
) -> Iterator[Iterator[bytes]]:
    """The bytes of new gates as the model's own classes start them.

    One module has memory at a time. The same seed gives the same, wherever it was stopped before.

    Args:
        folder: the base checkpoint, for the text of a refusal.
        config: the gated configuration.
        architecture: the gated one.
        seed: of every number that is drawn.
        tensors: the gates, those of `made_gates` without a bank, each with the type that it gets.

    Raises:
        CheckpointError: the configuration makes no such model.
    """
    import torch

    model = _model_without_memory(folder, config, architecture)
    generator = torch.Generator().manual_seed(seed)
    dtypes = (tensor.dtype for tensor in tensors)
    for module in _gate_modules(model, architecture.facts.names.owns):
        with torch.random.fork_rng(devices=()), torch.no_grad():
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            module.to_empty(device="cpu").apply(model._init_weights)
        for weight in module.parameters():
            values = weight.detach().float().contiguous().numpy().astype("<f4")
            yield iter((cast(values.tobytes(), "F32", next(dtypes)),))
        module.to_empty(device="meta")


def _gate_modules(model: nn.Module, owns: Callable[[str], bool]) -> Sequence[nn.Module]:
    """The outermost modules of gates, in the order of the layers."""
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        is_inside = any(name.startswith(f"{outer}.") for outer in list(found)[-1:])
        if owns(f"{name}.") and _NUMBERED.match(name) and not is_inside:
            found[name] = module
    return list(found.values())


def _model_without_memory(folder: Path, config: Mapping[str, Any], architecture: Architecture) -> PreTrainedModel:
    import torch

    name = architecture.facts.text_model.name
    try:
        made = configured(folder / CONFIG, config, architecture)
        with torch.device("meta"):
            model: PreTrainedModel = getattr(_module(architecture, "modeling"), name)(made.get_text_config())
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        message = f"makes no {name}: {words_of(error, whole=True)}"
        raise CheckpointError(folder / CONFIG, message, "correct the configuration, or fetch it again") from error
    return model


def _module(architecture: Architecture, kind: str) -> ModuleType:
    return import_module(f"{import_package(architecture.folder).__name__}.{kind}_{architecture.facts.package}")
