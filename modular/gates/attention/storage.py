# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of the published implementation, whose gates are rows of a wider query projection."""

import re
from collections.abc import Mapping

import torch

from transformers.configuration_utils import PreTrainedConfig


def split_query_gates(weights: Mapping[str, torch.Tensor], config: PreTrainedConfig) -> dict[str, torch.Tensor]:
    """The weights of a published `*_headwise` or `*_elementwise` checkpoint, with gates of their own.

    Source: the implementation beside Gated Attention (arXiv 2505.06708). For each group of heads that share a key, its
    query projection holds `head_dim * groups` rows of queries, and behind them the rows of the gates: `groups` headwise,
    `head_dim * groups` elementwise.

    Args:
        weights: the tensors of a checkpoint by their names; those without a query projection are taken over as they are.
        config: the gated configuration, whose `attention_gate_mode` says which checkpoint it is.

    Returns:
        The same with `...q_proj.weight` of the base's shape, and `...attention_gate.gate.weight` beside each.

    Raises:
        ValueError: a query projection that has not the rows of such a checkpoint, or a bias.
    """
    text = config.get_text_config()
    heads, key_heads = text.num_attention_heads, text.num_key_value_heads
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // heads
    groups = heads // key_heads
    gate_rows = groups if text.attention_gate_mode == "headwise" else groups * head_dim
    wanted = key_heads * (groups * head_dim + gate_rows)
    found: dict[str, torch.Tensor] = {}
    for name, weight in weights.items():
        match = re.fullmatch(r"(.*\.)q_proj\.(weight|bias)", name)
        if match is None:
            found[name] = weight
            continue
        if match[2] == "bias" or weight.shape[0] != wanted:
            raise ValueError(
                f"`{name}` has the shape {tuple(weight.shape)}, but the query projection of a published checkpoint with "
                f"{text.attention_gate_mode} gates has {wanted} rows here, and no bias."
            )
        rows = weight.unflatten(0, (key_heads, -1))
        queries, gates = rows.split([groups * head_dim, gate_rows], dim=1)
        found[name] = queries.flatten(0, 1).contiguous()
        found[f"{match[1]}attention_gate.gate.weight"] = gates.flatten(0, 1).contiguous()
    return found
