"""Tiny sizes fit the configurations they are for."""

from __future__ import annotations

import pytest
from facts.peculiar import described_bases
from facts.project import facts_of
from facts.tiny import LAYERS, TINY, TINY_IMAGE_TEXT, TINY_VISION, VOCABULARY, tiny_fields


def test_a_configuration_takes_the_fields_it_has() -> None:
    assert tiny_fields(["num_experts", "vocab_size", "rope_theta"]) == {"vocab_size": VOCABULARY, "num_experts": 4}
    assert list(tiny_fields(reversed(TINY))) == list(TINY)


def test_some_fields_and_some_bases_change_others() -> None:
    assert tiny_fields(["num_key_value_heads", "kv_lora_rank"]) == {"num_key_value_heads": 4, "kv_lora_rank": 16}
    assert tiny_fields(["num_experts_per_tok"], "zaya") == {"num_experts_per_tok": 1}
    assert tiny_fields(["num_experts_per_tok"], "zebra") == {"num_experts_per_tok": 2}


def emptied(value: object) -> None:
    """Take everything out of a list or dict, and out of those inside."""
    if isinstance(value, dict | list):
        for each in list(value.values() if isinstance(value, dict) else value):
            emptied(each)
        value.clear()


@pytest.mark.parametrize("base", described_bases())
def test_what_is_done_to_the_values_changes_none_of_the_next_call(base: str) -> None:
    before = repr(tiny_fields(TINY, base))
    emptied(tiny_fields(TINY, base))
    assert repr(tiny_fields(TINY, base)) == before


@pytest.mark.parametrize("model", ["llama", "qwen3", "gemma3", "gpt_oss"])
def test_text_models_get_their_sizes(model: str) -> None:
    fields = tiny_fields(facts_of(model).text_config.fields, model)
    assert {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"} <= set(fields)


def test_sizes_agree_with_each_other() -> None:
    assert TINY["hidden_size"] == TINY["num_attention_heads"] * TINY["head_dim"]
    assert TINY["num_attention_heads"] % TINY["num_key_value_heads"] == 0
    assert 0 < TINY["first_k_dense_replace"] < LAYERS, "one layer has experts, and one has none"
    assert TINY["num_experts_per_tok"] < TINY["num_experts"] == TINY["n_routed_experts"] == TINY["num_local_experts"]
    assert TINY["topk_group"] <= TINY["n_group"] and TINY["n_routed_experts"] % TINY["n_group"] == 0
    assert (
        TINY["mamba_n_heads"] * TINY["mamba_d_head"]
        == TINY["mamba_expand"] * TINY["hidden_size"]
        == TINY["mamba_d_ssm"]
    )
    assert TINY["linear_num_value_heads"] % TINY["linear_num_key_heads"] == 0
    assert TINY["pad_token_id"] < VOCABULARY and len({TINY[f"{name}_token_id"] for name in ("pad", "bos", "eos")}) == 3
    patches = (TINY_VISION["image_size"] // TINY_VISION["patch_size"]) ** 2
    assert patches == TINY_IMAGE_TEXT["mm_tokens_per_image"]
    tokens = [value for name, value in TINY_IMAGE_TEXT.items() if name.endswith("_index")]
    assert len(set(tokens)) == len(tokens) and max(tokens) < VOCABULARY
