"""Tiny sizes for the configuration of any architecture: small enough for a blink, different where they may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from facts.peculiar import peculiarities


VOCABULARY = 128
LAYERS = 4
# Every configuration of transformers takes it beside its fields: number of a layer -> fields that it has otherwise.
PER_LAYER = "per_layer_config"
# A configuration takes the fields that it has, so that every spelling of a size is here.
TINY: Mapping[str, Any] = {
    # text
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "d_model": 32,
    "n_embd": 32,
    "embed_dim": 32,
    "intermediate_size": 48,
    "ffn_dim": 48,
    "ffn_hidden_size": 48,
    "n_inner": 48,
    "num_hidden_layers": LAYERS,
    "num_layers": LAYERS,
    "n_layer": LAYERS,
    "n_layers": LAYERS,
    "layers": LAYERS,
    "max_position_embeddings": 128,
    "n_positions": 128,
    "rotary_dim": 4,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "num_encoder_layers": LAYERS,
    "num_decoder_layers": LAYERS,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "num_encoder_attention_heads": 4,
    "num_decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_seq_len": 128,
    "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size_per_layer_input": 8,
    "backbone_hidden_size": 32,
    "hc_lowrank": 8,
    "shape_vocab_size": VOCABULARY,
    "shape_embed_dim": 8,
    "pronunciation_vocab_size": VOCABULARY,
    "pronunciation_embed_dim": 8,
    "vocab_offset": VOCABULARY - 8,
    "laurel_rank": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "forced_eos_token_id": None,
    # attention
    "num_attention_heads": 4,
    "attention_heads": 4,
    "num_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "query_pre_attn_scalar": 8,
    "attention_multiplier": 0.35,
    "swa_num_attention_heads": 4,
    "swa_num_key_value_heads": 2,
    "swa_head_dim": 8,
    "rel_extent": 8,
    "sliding_window": 4,
    "sliding_window_size": 4,
    "attention_chunk_size": 4,
    "use_sliding_window": True,
    "max_window_layers": 2,
    # attention through a latent of low rank
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "index_head_dim": 16,
    "index_n_heads": 2,
    "index_topk": 64,
    "o_lora_rank": 8,
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 8,
    "indexer_budget": 64,
    "indexer_compress_ratio": 4,
    # linear attention and state space models
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_heads": 4,
    "linear_head_dim": 8,
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_d_state": 8,
    "mamba_d_ssm": 64,
    "mamba_expand": 2,
    "mamba_chunk_size": 8,
    "mamba_num_heads": 8,
    "mamba_head_dim": 8,
    "ssm_state_size": 8,
    "chunk_size": 8,
    "lru_width": 32,
    "attention_window_size": 4,
    # experts
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_k": 2,
    "moe_topk": 2,
    "top_k_experts": 2,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 24,
    "shared_experts_intermediate_size": 24,
    "shared_intermediate_size": 24,
    "moe_shared_expert_intermediate_size": 24,
    "expert_ffn_hidden_size": 24,
    "zero_expert_num": 2,
    "router_hidden_size": 16,
    "first_k_dense_replace": 1,
}
# Where a configuration has the first field, these values replace or join the others.
TOGETHER: Mapping[str, Mapping[str, Any]] = {
    "type_vocab_size": {"is_decoder": True},  # encoders that can also decode
    "kv_lora_rank": {"num_key_value_heads": 4},  # keys come out of the latent once for every head
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


def tiny_fields(names: Iterable[str], base: str = "") -> dict[str, Any]:
    """The tiny value of every text field in `names` that has one, in the order of the table.

    `names` are a configuration's: `dir(config_class)`, or the `fields` of its facts. `base` is the base's folder in
    transformers ("gemma3"), for what that one needs beyond its sizes: those fields it gets whether named or not.
    The values are the caller's own: configurations such as Moshi's write into the dicts that they are given.
    Raises PeculiarError where the file that says so is refused.
    """
    known = set(names)
    fields = {name: value for name, value in TINY.items() if name in known}
    for name, values in TOGETHER.items():
        if name in known:
            fields |= values
    return deepcopy(fields | dict(peculiarities(base).tiny))
