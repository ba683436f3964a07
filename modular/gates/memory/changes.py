# SPDX-License-Identifier: Apache-2.0
"""What keys of rows are made of besides the rows, and what tells whether that is as it was."""

from collections.abc import Iterable

import torch
from torch import nn


ROWS_COMPARED = 65536  # at once
PLACES_LOOKED_AT = 4096  # of a weight that has no version


def below_gate(model: nn.Module) -> list[nn.Module]:
    """The modules that the states of rows depend on: all but gates, and layers behind the one that finds rows.

    They are collected anew each time, since adapters, loading and users put others in their places.
    """
    found: list[nn.Module] = []
    collect_below_gate(model, found, is_numbered=False)
    return found


def collect_below_gate(module: nn.Module, found: list[nn.Module], is_numbered: bool) -> bool:
    """Add a module, and those inside it, to `found`, and tell whether the gate is inside."""
    found.append(module)
    has_gate = False
    for name, child in module._modules.items():
        if name == "memory_gate":
            has_gate = has_gate or child is not None
        elif child is not None and name not in ("memory_norm", "gated_memory_fusion"):
            is_layer = name.isdigit() and not is_numbered
            if collect_below_gate(child, found, is_numbered or is_layer):
                has_gate = True
                if is_layer:
                    break  # the next ones are behind it
    return has_gate


def versions(modules: Iterable[nn.Module]) -> tuple:
    """What tells whether modules compute what they did: which weights they have, and which adapters are switched on."""
    found = []
    for module in modules:
        for weight in module._parameters.values():
            if weight is not None:
                found += version(weight)
        state = vars(module)
        if "_active_adapter" in state:  # a layer of PEFT
            found += state.get("_disable_adapters", False), str(state["_active_adapter"]), str(state.get("scaling"))
    return tuple(found)


def version(tensor: torch.Tensor) -> tuple[int, int]:
    """What tells whether a tensor is as it was: how often it was written to, and where it lies.

    A tensor that was made in `torch.inference_mode` does not count; what it holds at some places stands for that.
    """
    return hash_of_some(tensor) if tensor.is_inference() else tensor._version, tensor.data_ptr()


def hash_of_some(tensor: torch.Tensor) -> int:
    """A number for what a tensor holds, at 4,096 places or a few more."""
    flat = tensor.detach().reshape(-1)
    step = max(flat.numel() // PLACES_LOOKED_AT, 1) | 1  # odd, so that it walks through all columns
    return hash(flat[::step].contiguous().view(torch.uint8).cpu().numpy().tobytes())


def changed_rows(token_ids: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """The numbers of the rows that differ from those of before, both `[rows, knowledge_length]`."""
    parts = zip(token_ids.split(ROWS_COMPARED), before.split(ROWS_COMPARED))
    return torch.cat([(now != then).any(1) for now, then in parts]).nonzero()[:, 0]
