"""Checkpoints of the published implementation, whose gates are rows of a wider query projection, split for Qwen3."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from attention_families import FAMILIES, padded
from rounding.layout import lay_out_anew


@pytest.fixture(params=["headwise", "elementwise"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def widened(weights: dict[str, torch.Tensor], config: Any) -> dict[str, torch.Tensor]:
    """The weights as the published implementation keeps them: of each group of heads its queries, and then its gates."""
    found = dict(weights)
    for name in [name for name in weights if name.endswith("attention_gate.gate.weight")]:
        query = name.replace("attention_gate.gate", "q_proj")
        gates, queries = found.pop(name), found[query]
        parts = zip(queries.chunk(config.num_key_value_heads), gates.chunk(config.num_key_value_heads))
        found[query] = torch.cat([torch.cat(pair) for pair in parts])
    return found


def test_published_checkpoints_are_split(mode: str) -> None:
    family = next(each for each in FAMILIES if each.name == "qwen3")
    model = family.gated(attention_gate_mode=mode)
    weights = model.state_dict()
    published = widened(weights, model.config)
    config = family.config(**{f"{mode}_attn_output_gate": True})
    assert config.attention_gate_mode == mode and config.attention_gate_init == "paper"
    split = type(model).split_query_gates(published, config)
    assert split.keys() == weights.keys() and all(torch.equal(split[name], weights[name]) for name in weights)
    loaded = type(model).from_pretrained(None, config=config, state_dict=split, attn_implementation="eager").eval()
    loaded, model = lay_out_anew(loaded), lay_out_anew(model)  # what is split off lies where it was in the whole
    with torch.no_grad():
        assert torch.equal(loaded(**padded(config)).logits, model(**padded(config)).logits)


def test_the_published_forward_has_the_same_gates(mode: str) -> None:
    """The wide projection seen as groups, `[batch, tokens, key heads, rows]`, gives queries and then gates of each."""
    family = next(each for each in FAMILIES if each.name == "qwen3")
    model = family.gated(attention_gate_mode=mode)
    config, name = model.config, "model.layers.0.self_attn.q_proj.weight"
    wide = widened(model.state_dict(), config)[name]
    groups = config.num_attention_heads // config.num_key_value_heads
    hidden = torch.randn(2, 5, config.hidden_size)
    rows = (hidden @ wide.T).view(2, 5, config.num_key_value_heads, -1)
    queries, gates = rows[..., : groups * config.head_dim], rows[..., groups * config.head_dim :]
    owner = model.get_submodule("model.layers.0.self_attn")
    torch.testing.assert_close(queries.flatten(2), owner.q_proj(hidden))
    _, own = owner.attention_gate(torch.zeros(2, 5, config.num_attention_heads * config.head_dim), hidden)
    torch.testing.assert_close(gates.reshape(own.shape).sigmoid(), own)


def test_other_checkpoints_are_not_split(mode: str) -> None:
    family = next(each for each in FAMILIES if each.name == "qwen3")
    model = family.gated(attention_gate_mode=mode)
    with pytest.raises(ValueError, match=r"`model.layers.0.self_attn.q_proj.weight` has the shape \(32, 32\), but"):
        type(model).split_query_gates(model.state_dict(), model.config)
    with pytest.raises(ValueError, match="no bias"):
        type(model).split_query_gates({"model.layers.0.self_attn.q_proj.bias": torch.zeros(32)}, model.config)
    with pytest.raises(ValueError, match="are both true"):
        family.config(headwise_attn_output_gate=True, elementwise_attn_output_gate=True)
