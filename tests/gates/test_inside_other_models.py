"""A gated text model inside a model of images that makes its text model with AutoModel: no delta is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rounding.layout import lay_out_anew

import generated
from generated import autos
from generated.quality_gate_llama import QualityGateLlamaConfig
from generated.quality_gate_persimmon import QualityGatePersimmonConfig
from transformers import (
    AutoConfig,
    CLIPVisionConfig,
    FuyuConfig,
    FuyuForCausalLM,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PersimmonConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING


SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "pad_token_id": 0,
}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 8,
    "patch_size": 4,
    "projection_dim": 16,
}
IMAGE = 60


def llava() -> PreTrainedConfig:
    text, vision = LlamaConfig(**SIZES), CLIPVisionConfig(**VISION)
    return LlavaConfig(vision_config=vision, text_config=text, image_token_index=IMAGE, image_seq_length=4)


def fuyu() -> PreTrainedConfig:
    text = PersimmonConfig(**SIZES).to_dict()
    return FuyuConfig(text_config=text, image_size=8, patch_size=4, image_token_id=IMAGE)


def inputs(with_image: bool) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, IMAGE, (2, 9))
    if not with_image:
        return {"input_ids": ids}
    ids[:, 1:5] = IMAGE
    return {"input_ids": ids, "pixel_values": torch.randn(2, 3, 8, 8)}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one test: registered classes go before code that a checkpoint brings, which other tests are about."""
    for table in (CONFIG_MAPPING, *autos.tables().values()):
        monkeypatch.setattr(table, "_extra_content", dict(table._extra_content))
    monkeypatch.setattr(generated, "_registered", set())
    generated.register_quality_gate()


CASES = [
    pytest.param(llava, LlavaForConditionalGeneration, QualityGateLlamaConfig, True, id="llava"),
    pytest.param(fuyu, FuyuForCausalLM, QualityGatePersimmonConfig, False, id="fuyu"),
]


@pytest.mark.parametrize(("make", "model_class", "text_class", "with_image"), CASES)
def test_a_gated_text_model_scores_inside_another(
    registered: None,
    make,
    model_class: type[PreTrainedModel],
    text_class: type,
    with_image: bool,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    base = model_class(make()).eval()
    base.save_pretrained(tmp_path / "base")

    config = AutoConfig.from_pretrained(tmp_path / "base")
    config.text_config = text_class(**config.text_config.to_dict())
    model, info = model_class.from_pretrained(tmp_path / "base", config=config, output_loading_info=True)
    text, told = model.eval().model.language_model, []
    assert all(".quality_gate." in name for name in info["missing_keys"]) and not info["unexpected_keys"]
    text.register_forward_hook(lambda module, args, outputs: told.append(outputs))

    outputs = lay_out_anew(model)(**inputs(with_image), output_router_logits=True)
    assert torch.equal(outputs.logits, base(**inputs(with_image)).logits)
    assert [tuple(layer.shape) for layer in told[-1].quality_logits] == [(2, 9, 1)] * 3
    assert text.quality_layers() == (0, 1, 2)

    told[-1].quality_loss.backward()
    gates = {name for name, weight in model.named_parameters() if ".quality_gate." in name}
    reached = {name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert len(gates) == 3 and gates <= reached

    model.save_pretrained(tmp_path / "gated")
    again = model_class.from_pretrained(tmp_path / "gated").eval()
    assert type(again.model.language_model) is type(text)
    weights = again.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())
