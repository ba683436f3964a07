"""Tiny sizes for the configuration of any architecture: small enough for a blink, different where they may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any


VOCABULARY = 128
LAYERS = 4
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
    "top_k_experts": 2,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 24,
    "shared_intermediate_size": 24,
    "expert_ffn_hidden_size": 24,
    "first_k_dense_replace": 1,
}
# Where a configuration has the first field, these values replace or join the others.
TOGETHER: Mapping[str, Mapping[str, Any]] = {
    "type_vocab_size": {"is_decoder": True},  # encoders that can also decode
    "kv_lora_rank": {"num_key_value_heads": 4},  # keys come out of the latent once for every head
}
# What one base needs beyond that, by its folder in transformers. With the usual pattern of a few of them, no layer of
# so few would attend to everything.
PARTICULAR: Mapping[str, Mapping[str, Any]] = {
    "bailing_hybrid": {"layer_group_size": 2},
    "bamba": {"attn_layer_indices": [1, 3]},
    "cohere_compass": {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e4}}},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8},
        "ffn_config": {"hidden_size": 32, "ffn_hidden_size": 48, "moe_num_experts": 4},
    },
    "blenderbot": {"encoder_no_repeat_ngram_size": 0},
    "dots3_note": {"num_key_value_heads": 4},
    "gemma3": {"layer_types": ["sliding_attention", "full_attention"] * 2},
    "gemma3n": {"layer_types": ["sliding_attention", "full_attention"] * 2, "num_kv_shared_layers": 0},
    "gemma4": {"enable_moe_block": True},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "kimi_linear": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "moshi": {
        "audio_vocab_size": VOCABULARY,
        "depth_decoder_config": {"input_size": 32, "vocab_size": VOCABULARY},
    },
    "mpt": {"use_cache": True},
    "mllama": {"cross_attention_layers": []},  # those are left out where there is no image
    "nemotron_h": {"layers_block_type": ["linear_attention", "mlp", "full_attention", "moe"]},
    "phi4_multimodal": {
        "vision_config": {
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 16,
            "crop_size": 16,
            "patch_size": 4,
            "image_token_id": 124,
        },
        "audio_config": {
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_blocks": 3,
            "num_attention_heads": 2,
            "ext_pw_out_channel": 16,
            "depthwise_separable_out_channel": 16,
            "nemo_conv_channels": 16,
            "input_size": 16,
            "audio_token_id": 125,
        },
    },
    # Language adapters stand between a feed-forward part and the end of its layer: here they are linear maps
    "xmod": {
        "default_language": "en_XX",
        "hidden_act": "linear",
        "adapter_reuse_layer_norm": False,
        "adapter_reduction_factor": 4,
    },
    "zamba": {"layers_block_type": ["mamba", "hybrid"] * 2, "n_mamba_heads": 2},
    "zamba2": {  # the last layer shares the block of the second
        "layers_block_type": ["linear_attention", "hybrid", "hybrid", "hybrid"],
        "num_mem_blocks": 2,
        "adapter_rank": 4,
        "num_key_value_heads": 4,
    },
    "zaya": {"num_experts_per_tok": 1},
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
    transformers ("gemma3"), for what that one needs beyond its sizes. The values are the caller's own: configurations
    such as Moshi's write into the dicts that they are given.
    """
    known = set(names)
    fields = {name: value for name, value in TINY.items() if name in known}
    for name, values in TOGETHER.items():
        if name in known:
            fields |= values
    return deepcopy(fields | PARTICULAR.get(base, {}))
