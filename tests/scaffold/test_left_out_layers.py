"""Layers that are left out where there is no image have no gate: scores are of the same layers with images and without."""

from __future__ import annotations

import torch

from generated.quality_gate_mllama import QualityGateMllamaForCausalLM, QualityGateMllamaTextConfig
from transformers.models.mllama.modeling_mllama import MllamaForCausalLM


SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "cross_attention_layers": [1],
    "pad_token_id": 0,
    "eos_token_id": 2,
}


def inputs(with_image: bool) -> dict[str, torch.Tensor]:
    """A batch of texts, each with the encoded patches of an image or without."""
    torch.manual_seed(1)
    texts = {"input_ids": torch.randint(3, 64, (2, 5))}
    return texts | {"cross_attention_states": torch.randn(2, 7, 32)} if with_image else texts


def test_scores_are_of_the_same_layers_with_an_image_and_without() -> None:
    torch.manual_seed(0)
    config = QualityGateMllamaTextConfig(**SIZES)
    model = QualityGateMllamaForCausalLM(config).eval()
    base = MllamaForCausalLM(config).eval()
    base.load_state_dict({name: weight for name, weight in model.state_dict().items() if "quality_gate" not in name})
    for layer in (
        model.model.layers[1],
        base.model.layers[1],
    ):  # shut as they are made, so that images changed nothing
        torch.nn.init.ones_(layer.cross_attn_attn_gate)
    assert model.quality_layers() == (0, 2, 3)
    with torch.no_grad():
        texts, images = (model(**inputs(each), output_router_logits=True) for each in (False, True))
        for each, found in ((False, texts), (True, images)):
            assert torch.equal(found.logits, base(**inputs(each)).logits)
            assert [tuple(layer.shape) for layer in found.quality_logits] == [(2, 5, 1)] * 3
    equal = [torch.equal(*pair) for pair in zip(texts.quality_logits, images.quality_logits)]
    assert equal == [True, False, False]  # the image is seen behind the first layer
