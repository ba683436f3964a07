"""Tiny sizes for the configuration of any architecture: small enough for a blink, different where they may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


VOCABULARY = 128
LAYERS = 4
# A configuration takes the fields that it has. Where two names mean the same, both are here.
TINY: Mapping[str, Any] = {
    # text
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    # attention
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "query_pre_attn_scalar": 8,
    "sliding_window": 4,
    "use_sliding_window": True,
    "max_window_layers": 2,
    # experts
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
}
# Of the configuration of an image encoder, inside that of an image-text model.
TINY_VISION: Mapping[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 8,
    "patch_size": 4,
    "num_channels": 3,
}
# Of an image-text model's own configuration. The tokens lie inside the tiny vocabulary.
TINY_IMAGE_TEXT: Mapping[str, Any] = {
    "image_token_index": 124,
    "boi_token_index": 125,
    "eoi_token_index": 126,
    "mm_tokens_per_image": 4,  # of the (8 / 4)^2 patches
}


def tiny_fields(names: Iterable[str], table: Mapping[str, Any] = TINY, **more: Any) -> dict[str, Any]:
    """The tiny value of every field in `names` that has one, in the order of the table; `more` goes on top.

    `names` are a configuration's: `vars(config_class())`, or `facts.config.fields`.
    """
    known = set(names)
    return {name: value for name, value in table.items() if name in known} | more
