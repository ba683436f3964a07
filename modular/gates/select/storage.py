# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of the original, which names its mixtures and its gates otherwise."""

import re
from collections.abc import Mapping

import torch


def rename_select_moe(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a `select_moe` checkpoint by the names that they have here.

    Source: Select-MoE, whose layers are OLMoE's with the mixture as `normal_moe` and the gate as `quality_gate`. Experts
    may be stored one by one or in one tensor: `from_pretrained` puts those of OLMoE together either way.

    Args:
        weights: the tensors of a checkpoint by their names; those of other parts are taken over as they are.

    Raises:
        ValueError: two tensors would have one name.
    """
    found: dict[str, torch.Tensor] = {}
    for name, weight in weights.items():
        new = name.replace(".normal_moe.", ".mlp.")
        new = re.sub(r"\.quality_gate\.(?:gate\.)?(weight)$", r".select_gate.gate.\1", new)
        if new in found:
            raise ValueError(f"`{name}` would be called `{new}`, as another tensor of this checkpoint is.")
        found[new] = weight
    return found
