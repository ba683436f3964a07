"""Checkpoints of the original, Select-MoE: its names, its configuration, experts one by one or in one tensor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rounding.layout import lay_out_anew
from safetensors.torch import load_file, save_file
from select_families import OLMOE, gates_of, padded

from generated.select_gate_olmoe import rename_select_moe


FIELDS = {
    "trash_expert_mode": "noise",
    "enable_load_balancing": True,
    "quality_loss_type": "mse",
    "quality_loss_weight": 1,
    "sample_wise_averaging": True,
    "output_router_logits": True,
}


def original(model: Any, folder: Path, fused: bool) -> None:
    """Write a model as the original does."""
    config = {**model.config.to_dict(), "model_type": "select_moe", "architectures": ["SelectMoeForCausalLM"]}
    config.pop("select_gate_init")
    (folder / "config.json").write_text(json.dumps(config))
    if fused:
        weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    else:
        model.save_pretrained(folder / "as_olmoe")
        weights = load_file(folder / "as_olmoe" / "model.safetensors")
    assert any(".experts.3.gate_proj." in name for name in weights) is not fused
    renamed = {
        name.replace(".mlp.", ".normal_moe.").replace(".select_gate.", ".quality_gate."): weight
        for name, weight in weights.items()
    }
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("fused", [False, True])
def test_original_checkpoints_load(fused: bool, tmp_path: Path) -> None:
    model = OLMOE.gated(quality_gate_init_std=0.5, **FIELDS)
    original(model, tmp_path, fused)

    config = OLMOE.gated_class("Config").from_pretrained(tmp_path)
    assert config.model_type == "select_gate_olmoe" and config.select_gate_init == "normal"
    assert {name: getattr(config, name) for name in FIELDS} == FIELDS
    gated = OLMOE.gated_class("ForCausalLM")
    weights = gated.rename_select_moe(load_file(tmp_path / "model.safetensors"))
    again, info = gated.from_pretrained(
        None, config=config, state_dict=weights, attn_implementation="eager", output_loading_info=True
    )
    assert not any(info.values())
    for one, other in zip(gates_of(again), gates_of(model)):
        assert torch.equal(one.gate.weight, other.gate.weight)
    again, model = lay_out_anew(again.eval()), lay_out_anew(model)
    for each in (again, model):
        for gate in gates_of(each):
            gate.mode = "zero"  # noise is another every time
    with torch.no_grad():
        assert torch.equal(again(**padded()).logits, model(**padded()).logits)
    again.save_pretrained(tmp_path / "here")
    assert gated.from_pretrained(tmp_path / "here").config.trash_expert_mode == "noise"


def test_names_of_other_parts_stay() -> None:
    weights = {
        "model.layers.0.normal_moe.gate.weight": torch.zeros(4, 8),
        "model.layers.0.quality_gate.weight": torch.zeros(1, 8),
        "model.layers.1.quality_gate.gate.weight": torch.zeros(1, 8),
        "model.layers.0.self_attn.q_proj.weight": torch.zeros(8, 8),
        "lm_head.weight": torch.zeros(9, 8),
    }
    assert set(rename_select_moe(weights)) == {
        "model.layers.0.mlp.gate.weight",
        "model.layers.0.select_gate.gate.weight",
        "model.layers.1.select_gate.gate.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "lm_head.weight",
    }


def test_two_tensors_of_one_name_are_refused() -> None:
    weights = dict.fromkeys(
        ["model.layers.0.mlp.gate.weight", "model.layers.0.normal_moe.gate.weight"], torch.zeros(1)
    )
    with pytest.raises(ValueError, match=r"normal_moe.gate.weight` would be called .*mlp.gate.weight"):
        rename_select_moe(weights)
