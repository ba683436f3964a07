# SPDX-License-Identifier: Apache-2.0
"""The gates of a model, and files with their weights alone."""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from transformers.modeling_utils import PreTrainedModel
from transformers.utils.output_capturing import OutputRecorder


def find_quality_gates(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """The gates' linear maps, first layer first, by their weights' names in the checkpoint of a language model."""
    return {
        f"{model.base_model_prefix}.{name}.gate.weight".replace(".language_model.", "."): module.gate
        for name, module in model.base_model.named_modules()
        if name.endswith(".quality_gate")
    }


def quality_layers(model: PreTrainedModel) -> tuple[int, ...]:
    """The numbers of the layers that `quality_logits` holds scores of, in its order: of those that have a gate."""
    paths = (name.split(".quality_gate.")[0].split(".") for name in find_quality_gates(model))
    return tuple(next(int(part) for part in reversed(path) if part.isdigit()) for path in paths)


def shard_gates_apart(model: PreTrainedModel) -> None:
    """Have FSDP take each gate for a unit of its own: gates are float32, layers may not be, and a unit is of one type.

    For accelerate's plugin and Trainer, which wrap `_no_split_modules`, and for `DistributedConfig(fsdp_size=...)`.
    Whoever calls `fully_shard(layer)` calls `fully_shard(layer.quality_gate)` before.
    """
    gates = {name: module for name, module in model.named_modules() if name.split(".")[-1] == "quality_gate"}
    if gates:
        model._no_split_modules = {*(model._no_split_modules or ()), *(type(gate).__name__ for gate in gates.values())}
    if getattr(model, "_fsdp_plan", None):  # the first entry is done first
        plan = {re.sub(r"\b\d+\b", "*", name): "free_full_weight" for name in gates}
        model._fsdp_plan = plan | model._fsdp_plan


def explain_mixed_types(problem: AssertionError) -> None:
    """Raise a ValueError with the remedy where FSDP was given a layer whose gate is of another type than its rest."""
    if "uniform original parameter dtype" in str(problem):
        raise ValueError(
            "Gates are float32, and FSDP shards what is of one type: call `fully_shard(layer.quality_gate)` before "
            "`fully_shard(layer)`, for every layer with a gate."
        ) from problem


def state_without_hooks(model: PreTrainedModel) -> dict[str, Any]:
    """The state of a model that is pickled or copied, once the hooks that record its outputs are gone.

    They are local functions of transformers, which cannot be pickled. The next forward that records outputs has them
    installed again.
    """
    for module in model.modules():
        hooks = module._forward_hooks
        for number in [
            number for number, hook in hooks.items() if getattr(hook, "__module__", "") == OutputRecorder.__module__
        ]:
            del hooks[number]
        vars(module).pop("_output_capturing_hooks_installed", None)
    return PreTrainedModel.__getstate__(model)


def check_gates_are_here(model: PreTrainedModel) -> None:
    """Raise a ValueError that names the first gate whose weight is kept elsewhere, on disk or in another memory."""
    for name, gate in find_quality_gates(model).items():
        if gate.weight.is_meta:
            raise ValueError(
                f"{name} is offloaded: load the model with a `device_map` that has this layer on a device, or without "
                "one, to read or write its gates."
            )


def save_quality_gates(model: PreTrainedModel, folder: str | Path) -> None:
    """Write the weights of the gates, and nothing else, to `quality_gates.safetensors` in `folder`.

    Every process that shares the model has to call this; the first one writes.

    Raises:
        ValueError: a gate's weight is offloaded; the first is named.
    """
    check_gates_are_here(model)
    weights = {name: gate.weight.detach() for name, gate in find_quality_gates(model).items()}
    weights = {name: w.full_tensor() if hasattr(w, "full_tensor") else w.clone() for name, w in weights.items()}
    is_shared = torch.distributed.is_available() and torch.distributed.is_initialized()
    if not is_shared or torch.distributed.get_rank() == 0:
        Path(folder).mkdir(parents=True, exist_ok=True)
        save_file(weights, Path(folder) / "quality_gates.safetensors", metadata={"format": "pt"})


@torch.no_grad()
def load_quality_gates(model: PreTrainedModel, folder: str | Path) -> None:
    """Read the weights of the gates from `quality_gates.safetensors`, or from the original's `full_rank_weights.pt`.

    Raises:
        FileNotFoundError: `folder` holds neither.
        ValueError: the weights are not one of the right shape for every gate, or a gate's weight is offloaded.
    """
    check_gates_are_here(model)
    file, original = Path(folder) / "quality_gates.safetensors", Path(folder) / "full_rank_weights.pt"
    if original.exists() and not file.exists():
        file, weights = original, torch.load(original, map_location="cpu", weights_only=True)["full_rank_weights"]
    else:
        weights = load_file(file)
    weights = {name.removeprefix("module."): weight for name, weight in weights.items() if ".quality_gate." in name}
    wanted = {name: gate.weight for name, gate in find_quality_gates(model).items()}
    found, needed = ({name: tuple(each.shape) for name, each in some.items()} for some in (weights, wanted))
    for name in needed | found:
        if found.get(name) != needed.get(name):
            what = f"its shape is {found.get(name)} in the file, and {needed.get(name)} in the model"
            what = "it is missing from the file" if name not in found else what
            what = "the model has no such gate" if name not in needed else what
            raise ValueError(
                f"{file} holds {len(found)} gates, the model has {len(needed)}. The first that differs is {name}: {what}."
            )
    for name, weight in wanted.items():
        new = weights[name].to(weight.device)
        if hasattr(weight, "full_tensor"):  # this process has a share of it
            new = torch.distributed.tensor.distribute_tensor(new, weight.device_mesh, weight.placements)
        weight.copy_(new)
