"""Checkpoints and class names of the original Quality-Gate project: Qwen3's package knows both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from families import FAMILIES, tokens

import transformers
from generated import quality_gate_qwen3, register_gates


ALIASES = {
    "QualityGateConfig": "QualityGateQwen3Config",
    "QualityGate": "QualityGateQwen3Gate",
    "QualityGateDecoderLayer": "QualityGateQwen3DecoderLayer",
    "QualityGateModel": "QualityGateQwen3Model",
    "QualityGateForCausalLM": "QualityGateQwen3ForCausalLM",
}


@pytest.mark.parametrize("alias", ALIASES)
def test_each_name_of_the_original_is_a_class_of_the_package(alias: str) -> None:
    from generated.quality_gate_qwen3 import modeling_quality_gate_qwen3 as modeling

    register_gates()
    wanted = getattr(modeling, ALIASES[alias])
    assert getattr(quality_gate_qwen3, alias) is wanted is getattr(transformers, alias)


def test_a_checkpoint_of_the_original_loads_through_the_auto_classes(tmp_path: Path) -> None:
    register_gates()
    model = next(family for family in FAMILIES if family.name == "qwen3").gated(quality_gate_init_mean=0.5)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "quality_gate", "architectures": ["QualityGateForCausalLM"], "quality_loss_type": "beta"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(loaded) is quality_gate_qwen3.QualityGateForCausalLM
    assert loaded.config.model_type == "quality_gate_qwen3" and loaded.config.quality_loss_type == "linear"
    scores = (each(tokens(), output_router_logits=True).quality_logits[0] for each in (model, loaded))
    torch.testing.assert_close(*scores)  # weights may lie elsewhere in memory
    backbone = transformers.AutoModel.from_pretrained(tmp_path)
    assert type(backbone) is quality_gate_qwen3.QualityGateModel
