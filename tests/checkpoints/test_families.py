"""Every generated architecture: a base saved by transformers is gated, and the two compute the same."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from bases import read_index
from checkpoints import CheckpointError, Options, compare_models, gate_checkpoint, ungate_checkpoint
from facts.project import generated_models
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_bases import FACTS, model_of, tiny_base

import transformers


# Architectures of every kind: dense, experts one by one on disk, two names for a norm, gates in some layers alone, ...
EXPERTS = ("mixtral", "qwen3_moe", "olmoe")
CHOSEN = ("llama", "qwen3", "gemma3", "gpt_oss", "mistral", *EXPERTS)
WANTED = os.environ.get("CHECKPOINT_ARCHITECTURES", ",".join(CHOSEN))
NAMES = generated_models() if WANTED == "all" else WANTED.split(",")


def heads_of(name: str) -> list[tuple[str, str, str]]:
    """The heads that are tested of an architecture: language models, and of two architectures all others."""
    try:
        models = FACTS[name].models
    except LookupError:  # the test says so
        return [(name, "ForCausalLM", "")]
    every = name in ("llama", "gemma3")
    chosen = [model for model in models if model.role in ("ForCausalLM", "ForConditionalGeneration") or every]
    # Some are parts of larger models, which no checkpoint has alone and transformers does not export
    chosen = [model for model in chosen if hasattr(transformers, model.base_name)]
    return [(name, model.role, model.config) for model in chosen if model.role != "ForQuestionAnswering"]


def passes(base: Path, gated: Path, **options: object) -> None:
    result = compare_models(base, gated, **options)
    assert result.passed, [check for check in result.checks if check.passed is False]


@pytest.mark.parametrize("name, role, config", [head for name in NAMES for head in heads_of(name)])
def test_a_base_and_its_gated_checkpoint_agree(name: str, role: str, config: str, tmp_path: Path) -> None:
    base, gated = tmp_path / "base", tmp_path / "gated"
    head = model_of(name, role, config)
    tiny_base(FACTS[name], head).save_pretrained(base, max_shard_size="40KB")
    done = gate_checkpoint(base, gated)
    assert done.plan.method == "overlay" and done.plan.config["architectures"] == [head.name]
    passes(base, gated)
    ungate_checkpoint(gated, tmp_path / "again")
    assert all((tmp_path / "again" / path.name).read_bytes() == path.read_bytes() for path in base.iterdir())


def test_a_base_for_question_answering_is_refused(tmp_path: Path) -> None:
    """Its weights have names of their own, under which the gated model would not find them."""
    tiny_base(FACTS["llama"], model_of("llama", "ForQuestionAnswering")).save_pretrained(tmp_path / "base")
    with pytest.raises(CheckpointError, match="`transformer.layers.*` are not the names of the gated model's layers"):
        gate_checkpoint(tmp_path / "base", tmp_path / "gated")


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted(folder.glob("*.safetensors"))
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


@pytest.mark.parametrize(
    "new, old, gate",
    [
        ("model.language_model.", "language_model.model.", "language_model.model.layers.0"),
        ("model.", "", "language_model.layers.0"),
    ],
)
def test_image_text_checkpoints_of_every_layout(new: str, old: str, gate: str, tmp_path: Path) -> None:
    """transformers has written the language model's weights under other names before; gates follow them."""
    model = tiny_base(FACTS["gemma3"], model_of("gemma3", "ForConditionalGeneration"))
    model.save_pretrained(tmp_path / "base")
    tensors = {
        (old + key.removeprefix(new) if key.startswith(new) else key.removeprefix("model.")): value
        for key, value in model.state_dict().items()
        if key != "lm_head.weight"
    }
    for path in (tmp_path / "base").glob("*.safetensors*"):
        path.unlink()
    save_file({key: value.clone() for key, value in tensors.items()}, tmp_path / "base" / "model.safetensors")
    gate_checkpoint(tmp_path / "base", tmp_path / "gated")
    assert f"{gate}.quality_gate.gate.weight" in read_index(tmp_path / "gated")
    passes(tmp_path / "base", tmp_path / "gated")


def test_gate_fields_of_an_image_text_model_are_in_its_text_configuration(tmp_path: Path) -> None:
    tiny_base(FACTS["gemma3"], model_of("gemma3", "ForConditionalGeneration")).save_pretrained(tmp_path / "base")
    gate_checkpoint(tmp_path / "base", tmp_path / "gated", options=Options(init_mean=1.0))
    config = json.loads((tmp_path / "gated" / "config.json").read_text())
    assert config["text_config"]["model_type"] == "quality_gate_gemma3_text"
    assert config["text_config"]["quality_gate_init_mean"] == 1.0 and "quality_gate_init_mean" not in config


def test_a_trained_and_saved_checkpoint_is_ungated_too(tmp_path: Path) -> None:
    """Saving a gated model again leaves gates among the other weights, and no manifest that fits."""
    from generated.quality_gate_llama import QualityGateLlamaForCausalLM

    base, gated = tmp_path / "base", tmp_path / "gated"
    tiny_base(FACTS["llama"], model_of("llama", "ForCausalLM")).save_pretrained(base)
    gate_checkpoint(base, gated)
    before = (base / "model.safetensors").read_bytes()
    model = QualityGateLlamaForCausalLM.from_pretrained(gated)
    for folder, size in ((gated, "1GB"), (tmp_path / "sharded", "20KB")):  # into the same folder, and into another
        model.save_pretrained(folder, max_shard_size=size)
        assert (base / "model.safetensors").read_bytes() == before
        done = ungate_checkpoint(folder, tmp_path / f"{folder.name}_base")
        assert done.removed == 4 and done.written >= 1 and done.hashes_equal is None
        restored = tensors_of(tmp_path / f"{folder.name}_base")
        wanted = tensors_of(base)
        assert restored.keys() == wanted.keys() and all(torch.equal(restored[name], wanted[name]) for name in wanted)
        config = json.loads((tmp_path / f"{folder.name}_base" / "config.json").read_text())
        assert (config["model_type"], config["architectures"]) == ("llama", ["LlamaForCausalLM"])
        assert not [name for name in config if "quality" in name]
        transformers.LlamaForCausalLM.from_pretrained(tmp_path / f"{folder.name}_base")


@pytest.mark.parametrize("name", EXPERTS)
def test_experts_one_by_one_and_fused_both_load(name: str, tmp_path: Path) -> None:
    """What transformers saves has experts one by one; fused it is what the model holds in memory."""
    base = tiny_base(FACTS[name], model_of(name, "ForCausalLM"))
    base.save_pretrained(tmp_path / "base")
    with safe_open(tmp_path / "base" / "model.safetensors", "pt") as file:
        assert any(".experts.0." in key for key in file.keys()), "this base does not keep its experts one by one"
    for experts in ("keep", "fused"):
        gate_checkpoint(tmp_path / "base", tmp_path / experts, options=Options(experts=experts))
        passes(tmp_path / "base", tmp_path / experts)
    ungate_checkpoint(tmp_path / "fused", tmp_path / "fused_base")
    gate_checkpoint(tmp_path / "fused_base", tmp_path / "separate", options=Options(experts="separate"))
    passes(tmp_path / "base", tmp_path / "separate", weights_only=True)
    passes(tmp_path / "fused_base", tmp_path / "separate")
    package = __import__(f"generated.{FACTS[name].package}", fromlist=["_"])
    gated = getattr(package, model_of(name, "ForCausalLM").name).from_pretrained(tmp_path / "keep")
    gated.save_pretrained(tmp_path / "saved")  # the other way round: saved one by one again
    ungate_checkpoint(tmp_path / "saved", tmp_path / "saved_base")
    again, wanted = tensors_of(tmp_path / "saved_base"), tensors_of(tmp_path / "base")
    assert again.keys() == wanted.keys() and all(torch.equal(again[key], wanted[key]) for key in wanted)


def mxfp4_base(folder: Path) -> None:
    """GPT-OSS with experts in blocks of four-bit floats and a scale each, as it is published."""
    fields = {"hidden_size": 64, "intermediate_size": 64, "head_dim": 16}
    model = tiny_base(FACTS["gpt_oss"], model_of("gpt_oss", "ForCausalLM"), **fields).bfloat16()
    model.save_pretrained(folder)
    tensors, random = load_file(folder / "model.safetensors"), torch.Generator().manual_seed(0)
    for name in [name for name in tensors if name.endswith((".gate_up_proj", ".down_proj"))]:
        experts, width, rows = tensors.pop(name).shape
        shape = (experts, rows, width // 32)
        tensors[f"{name}_blocks"] = torch.randint(0, 256, (*shape, 16), dtype=torch.uint8, generator=random)
        tensors[f"{name}_scales"] = torch.randint(118, 123, shape, dtype=torch.uint8, generator=random)
    save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    names = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
    config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": names}
    (folder / "config.json").write_text(json.dumps(config))


def test_blocks_of_four_bit_floats_stay_as_they_are(tmp_path: Path) -> None:
    mxfp4_base(tmp_path / "base")
    gate_checkpoint(tmp_path / "base", tmp_path / "gated")
    config = json.loads((tmp_path / "gated" / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "mxfp4"
    passes(tmp_path / "base", tmp_path / "gated", dtype="bfloat16")
    passes(tmp_path / "base", tmp_path / "gated")
