"""Gemma3 with images: the same agreements, the gates' fields through the outer configuration, the weights' old names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from families import FAMILIES, HIDDEN, LAYERS, left_padded, tokens
from rounding.comparing import assert_equal_but_for_rounding
from rounding.layout import lay_out_anew
from safetensors.torch import load_file

from generated.quality_gate_gemma3 import (
    QualityGateGemma3Config,
    QualityGateGemma3ForConditionalGeneration,
    QualityGateGemma3ForSequenceClassification,
    QualityGateGemma3Model,
    QualityGateGemma3TextConfig,
)
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3ForSequenceClassification


GEMMA3 = next(family for family in FAMILIES if family.name == "gemma3")
VISION = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
IMAGE = {"image_token_index": 60, "boi_token_index": 61, "eoi_token_index": 62, "mm_tokens_per_image": 4}


def config(config_class: type, **fields: Any) -> Any:
    text = GEMMA3.base_config().to_dict()
    vision = {**VISION, "image_size": 8, "patch_size": 4, "model_type": "siglip_vision_model"}
    return config_class(text_config=text, vision_config=vision, attn_implementation="eager", **IMAGE, **fields)


def pair(base_class: type, gated_class: type, **fields: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    base = base_class(config(Gemma3Config)).eval()
    gated = gated_class(config(QualityGateGemma3Config, **fields)).eval()
    missing, unexpected = gated.load_state_dict(base.state_dict(), strict=False)
    assert not unexpected and all(".quality_gate." in key for key in missing)
    return base, gated


def inputs() -> dict[str, torch.Tensor]:
    batch, mask = left_padded(tokens(length=12).clamp(max=59), 3)
    batch[:, 4:8] = IMAGE["image_token_index"]
    generator = torch.Generator().manual_seed(5)
    return {
        "input_ids": batch,
        "attention_mask": mask,
        "token_type_ids": (batch == IMAGE["image_token_index"]).long(),
        "pixel_values": torch.randn(2, 3, 8, 8, generator=generator),
    }


def test_logits_and_generation_equal_the_bases() -> None:
    base, gated = pair(Gemma3ForConditionalGeneration, QualityGateGemma3ForConditionalGeneration)
    with torch.no_grad():
        expected, plain = base(**inputs()), gated(**inputs())
        scored = gated(**inputs(), output_router_logits=True)
    assert torch.equal(plain.logits, expected.logits) and torch.equal(scored.logits, expected.logits)
    assert torch.equal(scored.image_hidden_states, expected.image_hidden_states)
    assert plain.quality_logits is None
    assert [each.shape for each in scored.quality_logits] == [(2, 12, 1)] * LAYERS
    options = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    expected = base.generate(**inputs(), **options)
    assert torch.equal(gated.generate(**inputs(), **options), expected)
    assert torch.equal(gated.generate(**inputs(), **options, output_router_logits=True), expected)


def test_the_loss_knows_the_tokens_mask() -> None:
    _, gated = pair(Gemma3ForConditionalGeneration, QualityGateGemma3ForConditionalGeneration)
    labels = inputs()["input_ids"]
    outputs = gated(**inputs(), labels=labels, output_router_logits=True)
    ratios = torch.stack(outputs.quality_logits).sigmoid()
    expected = (ratios[:, 0].mean() + ratios[:, 1, 3:].mean()) / 2
    assert_equal_but_for_rounding(outputs.quality_loss, expected, HIDDEN)
    assert_equal_but_for_rounding(outputs.loss, outputs.lm_loss + 0.5 * expected, HIDDEN)
    outputs = gated.model(**inputs(), output_router_logits=True)
    assert_equal_but_for_rounding(outputs.quality_loss, expected, HIDDEN)


def test_the_classifier_equals_the_bases() -> None:
    base, gated = pair(Gemma3ForSequenceClassification, QualityGateGemma3ForSequenceClassification)
    with torch.no_grad():
        outputs = gated(**inputs(), output_router_logits=True)
        assert torch.equal(outputs.logits, base(**inputs()).logits)
    assert len(outputs.quality_logits) == LAYERS and 0 < outputs.quality_loss < 1


def test_training_reaches_every_gate() -> None:
    _, gated = pair(Gemma3ForConditionalGeneration, QualityGateGemma3ForConditionalGeneration)
    gated.train()(**inputs(), labels=inputs()["input_ids"], quality_targets=torch.tensor([0.0, 1.0])).loss.backward()
    for layer in gated.model.language_model.layers:
        assert layer.quality_gate.gate.weight.grad.abs().sum() > 0
    gated.zero_grad()
    gated(**inputs(), labels=inputs()["input_ids"], output_router_logits=False).loss.backward()
    for layer in gated.model.language_model.layers:
        assert not layer.quality_gate.gate.weight.grad.any()


def test_gate_fields_go_through_to_the_text_model(tmp_path: Path) -> None:
    outer = config(QualityGateGemma3Config, quality_loss_weight=2, output_router_logits=True)
    assert type(outer.text_config) is QualityGateGemma3TextConfig
    assert outer.text_config.quality_loss_weight == outer.quality_loss_weight == 2
    assert outer.text_config.output_quality_logits is True
    outer.quality_loss_type = "mse"
    assert outer.text_config.quality_loss_type == "mse"
    outer.save_pretrained(tmp_path)
    again = QualityGateGemma3Config.from_pretrained(tmp_path, quality_loss_balance=0.5)
    assert (again.quality_loss_type, again.quality_loss_weight) == ("mse", 2)
    assert again.text_config.quality_loss_balance == 0.5
    with pytest.raises(ValueError, match="`quality_loss_balance` is 3"):
        config(QualityGateGemma3Config, quality_loss_balance=3)
    with pytest.raises(AttributeError, match="quality_loss_wieght"):
        outer.quality_loss_wieght


def test_the_bases_text_configuration_becomes_a_gated_one() -> None:
    outer = QualityGateGemma3Config(text_config=GEMMA3.base_config())
    assert type(outer.text_config) is QualityGateGemma3TextConfig and outer.text_config.hidden_size == 32


def test_base_checkpoints_load_under_their_published_names(tmp_path: Path) -> None:
    base, _ = pair(Gemma3ForConditionalGeneration, QualityGateGemma3ForConditionalGeneration)
    base.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    assert any(key.startswith("language_model.model.") for key in saved)  # not the module's own names
    load = QualityGateGemma3ForConditionalGeneration.from_pretrained
    gated, info = load(tmp_path, attn_implementation="eager", output_loading_info=True)
    assert len(info["missing_keys"]) == LAYERS and not info["unexpected_keys"]
    assert all(".quality_gate." in key for key in info["missing_keys"])
    assert torch.equal(lay_out_anew(gated)(**inputs()).logits, base(**inputs()).logits)
    gated.save_pretrained(tmp_path / "gated")
    again, info = load(tmp_path / "gated", attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert all(map(torch.equal, again.state_dict().values(), gated.state_dict().values()))
    _, info = QualityGateGemma3Model.from_pretrained(tmp_path / "gated", output_loading_info=True)
    assert not info["missing_keys"]
