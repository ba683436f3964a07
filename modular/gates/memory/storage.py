# SPDX-License-Identifier: Apache-2.0
"""The gates and the bank of a model: files with them alone, and checkpoints of the original project."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from transformers.modeling_utils import PreTrainedModel


MEMORY_MARKS = ("memory_norm", "memory_gate", "gated_memory_fusion")  # of the names of what is trained


def memory_gate_weights(model: PreTrainedModel) -> dict[str, nn.Parameter]:
    """What of a model is trained: its gates, by the names of their weights."""
    return {
        name: weight
        for name, weight in model.named_parameters()
        if any(part in MEMORY_MARKS for part in name.split("."))
    }


def freeze_backbone(model: PreTrainedModel) -> None:
    """Have the gates learn, and nothing else."""
    gates = memory_gate_weights(model)
    for name, weight in model.named_parameters():
        weight.requires_grad_(name in gates)


def save_memory_gates(model: PreTrainedModel, folder: str | Path) -> None:
    """Write the weights of the gates, without the bank, to `memory_gates.safetensors` in `folder`."""
    weights = {name: weight.detach().clone().contiguous() for name, weight in memory_gate_weights(model).items()}
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_file(weights, Path(folder) / "memory_gates.safetensors", metadata={"format": "pt"})


@torch.no_grad()
def load_memory_gates(model: PreTrainedModel, folder: str | Path) -> None:
    """Read the weights of the gates from `memory_gates.safetensors`.

    Raises:
        FileNotFoundError: `folder` has no such file.
        ValueError: the weights are not those of this model's gates; the first that differs is named.
    """
    file = Path(folder) / "memory_gates.safetensors"
    found, wanted = load_file(file), memory_gate_weights(model)
    for name in wanted | found:
        shapes = [tuple(each[name].shape) if name in each else "missing" for each in (found, wanted)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{file}: `{name}` is {shapes[0]} in the file, and {shapes[1]} in the model.")
    for name, weight in wanted.items():
        weight.copy_(found[name])


def load_explicit_lm(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint of the ExplicitLM project under the names that they have here.

    `layers.3.qwen3_decoder.mlp.up_proj.weight` is `model.layers.3.mlp.up_proj.weight`; the gates of a layer keep their
    names; the bank is `model.memory.memory_bank`. Its copy of the embeddings and what it keeps to tell changes by are left
    out. For a model with `memory_design="original"` and `memory_alpha="mlp"`.

    Raises:
        ValueError: a bank that does not hold whole numbers, by rows.
    """
    found = {}
    for name, weight in weights.items():
        name = name.removeprefix("module.").removeprefix("model.")
        if name in ("tok_embeddings.weight", "prev_memory_bank", "freeze_mask") or name.startswith("rotary_emb."):
            continue
        if name == "memory_bank":
            if weight.ndim != 2 or weight.is_floating_point():
                raise ValueError(
                    f"`memory_bank` is {weight.dtype} of {tuple(weight.shape)}, but must be rows of token ids."
                )
            name, weight = "memory.memory_bank", weight.long()
        name = re.sub(r"^(layers\.\d+)\.qwen3_decoder\.", r"\1.", name)
        found[name if name.startswith("lm_head.") else f"model.{name}"] = weight
    return found
