"""Code beside the weights: a process that has transformers, and not this project, loads the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from bases import make_base
from checkpoints import Options, gate_checkpoint
from elsewhere import load_elsewhere
from facts.project import GENERATED
from tiny_bases import FACTS, model_of, tiny_base


CASES = [
    ("llama", "ForCausalLM", "AutoModelForCausalLM"),
    ("llama", "ForSequenceClassification", "AutoModelForSequenceClassification"),
    ("gemma3", "ForCausalLM", "AutoModelForCausalLM"),
    ("gemma3", "ForConditionalGeneration", "AutoModelForImageTextToText"),
    ("gpt_oss", "ForCausalLM", "AutoModelForCausalLM"),
]


def test_checkpoints_with_their_code_load_where_the_project_is_not(tmp_path: Path) -> None:
    bases, checkpoints = [], []
    for number, (name, role, auto) in enumerate(CASES):
        bases.append(tiny_base(FACTS[name], model_of(name, role)))
        bases[-1].save_pretrained(tmp_path / f"base{number}")
        gated = tmp_path / f"gated{number}"
        gate_checkpoint(tmp_path / f"base{number}", gated, options=Options(export_code=True))
        checkpoints.append((gated, auto))
    gate_checkpoint(tmp_path / "base0", tmp_path / "without_code")
    checkpoints.append((tmp_path / "without_code", "AutoModelForCausalLM"))

    *found, without_code = load_elsewhere(checkpoints, tmp_path)
    assert "quality_gate_llama" in without_code["refused"]
    tokens = torch.arange(3, 15).reshape(2, 6)
    for (name, role, _), base, loaded in zip(CASES, bases, found, strict=True):
        assert loaded["class"] == model_of(name, role).name and loaded["module"] == "transformers_modules"
        assert loaded["unloaded"] == []
        assert loaded["scores"] == [[2, 6, 1]] * base.config.get_text_config().num_hidden_layers
        with torch.inference_mode():
            assert loaded["sum"] == base(tokens).logits.double().sum().item()
            if loaded["tokens"] is not None:
                assert loaded["tokens"] == base.generate(tokens, max_new_tokens=5, do_sample=False).tolist()


def test_exported_files_are_the_generated_ones(tmp_path: Path) -> None:
    gate_checkpoint(make_base(tmp_path / "base"), tmp_path / "gated", options=Options(export_code=True))
    gated = tmp_path / "gated"
    for kind in ("configuration", "modeling"):
        name = f"{kind}_quality_gate_llama.py"
        assert (gated / name).read_text() == (GENERATED / "quality_gate_llama" / name).read_text()
    auto_map = json.loads((gated / "config.json").read_text())["auto_map"]
    assert auto_map["AutoConfig"] == "configuration_quality_gate_llama.QualityGateLlamaConfig"
    assert auto_map["AutoModelForCausalLM"] == "modeling_quality_gate_llama.QualityGateLlamaForCausalLM"
    assert auto_map["AutoModel"] == "modeling_quality_gate_llama.QualityGateLlamaModel"
    manifest = json.loads((gated / "quality_gate_manifest.json").read_text())
    assert manifest["files"]["modeling_quality_gate_llama.py"]["sha256"]
