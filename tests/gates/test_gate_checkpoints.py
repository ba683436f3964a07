"""Gate weights: their names, where they start, and how checkpoints of bases and of gated models are read."""

from __future__ import annotations

from pathlib import Path

import accelerate
import pytest
import torch
from families import LAYERS, Family, gates, tokens
from rounding.layout import lay_out_anew
from safetensors.torch import load_file


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([gate.gate.weight.detach().flatten() for gate in gates(model)])


def test_weights_have_the_originals_names(family: Family) -> None:
    base, gated = family.pair()
    added = gated.state_dict().keys() - base.state_dict().keys()
    assert added == {f"model.layers.{layer}.quality_gate.gate.weight" for layer in range(LAYERS)}
    assert base.state_dict().keys() < gated.state_dict().keys()


def test_new_gates_follow_mean_and_std(family: Family) -> None:
    drawn = weights(family.gated(quality_gate_init_mean=3.0, quality_gate_init_std=0.1, hidden_size=512))
    assert drawn.mean().item() == pytest.approx(3, abs=0.02)
    assert drawn.std().item() == pytest.approx(0.1, rel=0.1)
    assert (weights(family.gated(quality_gate_init_mean=0.5, quality_gate_init_std=0)) == 0.5).all()


def test_a_base_checkpoint_gets_new_gates(family: Family, tmp_path: Path) -> None:
    base, _ = family.pair()
    base.save_pretrained(tmp_path)
    gated, info = family.gated_class("ForCausalLM").from_pretrained(
        tmp_path,
        quality_gate_init_mean=5,
        quality_gate_init_std=0.5,
        attn_implementation="eager",
        output_loading_info=True,
    )
    assert all(".quality_gate." in key for key in info["missing_keys"])
    assert len(info["missing_keys"]) == LAYERS and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert weights(gated).mean().item() == pytest.approx(5, abs=0.3)
    assert weights(gated).std().item() == pytest.approx(0.5, rel=0.3)
    assert torch.equal(lay_out_anew(gated)(tokens()).logits, base(tokens()).logits)


def test_gates_start_on_the_meta_device_too(family: Family) -> None:
    with torch.device("meta"):
        model = family.gated_class("ForCausalLM")(family.config(quality_gate_init_mean=5))
    assert all(gate.gate.weight.is_meta for gate in gates(model))
    model.to_empty(device="cpu")
    model.init_weights()
    assert weights(model).mean().item() == pytest.approx(5, abs=0.02)


def test_a_gated_checkpoint_keeps_its_gates(family: Family, tmp_path: Path) -> None:
    gated = family.gated(quality_gate_init_mean=5)
    gated.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    assert saved["model.layers.1.quality_gate.gate.weight"].shape == (1, 32)
    again, info = family.gated_class("ForCausalLM").from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert torch.equal(weights(again), weights(gated))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_gates_stay_in_float32(family: Family, tmp_path: Path, dtype: torch.dtype) -> None:
    gated = family.gated()
    gated.save_pretrained(tmp_path)
    half = family.gated_class("ForCausalLM").from_pretrained(tmp_path, dtype=dtype)
    assert half.lm_head.weight.dtype == dtype
    assert torch.equal(weights(half), weights(gated)) and weights(half).dtype == torch.float32
    outputs = half(tokens(), labels=tokens(), output_router_logits=True)
    assert outputs.quality_logits[0].dtype == outputs.quality_loss.dtype == torch.float32
    assert outputs.loss.isfinite()


def test_heads_load_the_checkpoint_of_the_language_model(family: Family, tmp_path: Path) -> None:
    family.gated(quality_gate_init_mean=5).save_pretrained(tmp_path)
    for head in family.heads:
        model, info = family.gated_class(head).from_pretrained(tmp_path, output_loading_info=True)
        assert {key.split(".")[0] for key in info["missing_keys"]} <= {"score", "qa_outputs"}, head
        assert {key.split(".")[0] for key in info["unexpected_keys"]} <= {"lm_head"}, head
        assert weights(model).mean().item() == pytest.approx(5, abs=0.02), head


def test_gates_are_in_the_plans(family: Family) -> None:
    model = family.gated()
    assert model.tp_plan["model.layers.*.quality_gate.gate"] == "replicate"
    base, _ = family.pair()
    assert base.pp_plan == model.pp_plan
    assert base.tp_plan.items() <= model.tp_plan.items()
    own = f"QualityGate{family.prefix}"
    assert model._no_split_modules == {f"{own}DecoderLayer", f"{own}Gate"}  # FSDP gives each kind units of its own


@pytest.mark.parametrize("place", ["cpu", "disk"])
def test_offloaded_gates_are_refused_by_name(family: Family, tmp_path: Path, place: str) -> None:
    family.gated().save_quality_gates(tmp_path / "gates")
    model = family.gated()
    if place == "cpu":
        accelerate.cpu_offload(model, execution_device="cpu")
    else:
        accelerate.disk_offload(model, tmp_path / "offloaded", execution_device="cpu")
    for call in (model.save_quality_gates, model.load_quality_gates):
        with pytest.raises(ValueError, match=r"model\.layers\.0\.quality_gate\.gate\.weight is offloaded"):
            call(tmp_path / "gates")
