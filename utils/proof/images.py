"""What models of images and text need beside the others: a configuration with an image encoder, and pictures."""

from __future__ import annotations

from typing import Any

import torch
from facts.tiny import TINY_IMAGE_TEXT, TINY_VISION
from facts.values import ConfigFacts

from proof.calls import BATCH, GREEDY, Given, padded, pass_over
from proof.methods import parameters


_FIRST = 4  # place of the first token that stands for the picture


def image_fields(own: ConfigFacts, config_class: Any, text: Any) -> dict[str, Any]:
    """The fields of a tiny configuration of images and text around one of text."""
    vision = {**TINY_VISION, "model_type": config_class().vision_config.model_type}
    tokens = {name: value for name, value in TINY_IMAGE_TEXT.items() if name in own.fields}
    return {"text_config": text.to_dict(), "vision_config": vision, **tokens}


def pictured(model: Any) -> dict[str, torch.Tensor]:
    """A padded batch with one picture in each sample.

    `input_ids`, `attention_mask` and, where the model asks for them, `token_type_ids` are `[BATCH, LENGTH]`;
    `pixel_values` are `[BATCH, channels, size, size]`, the sizes in pixels.
    """
    inputs, token = padded(model), TINY_IMAGE_TEXT["image_token_index"]
    inputs["input_ids"][:, _FIRST : _FIRST + TINY_IMAGE_TEXT["mm_tokens_per_image"]] = token
    if "token_type_ids" in parameters(type(model).forward):
        inputs["token_type_ids"] = (inputs["input_ids"] == token).long()
    size, generator = TINY_VISION["image_size"], torch.Generator().manual_seed(5)
    pixels = torch.randn(BATCH, TINY_VISION["num_channels"], size, size, generator=generator)
    return inputs | {"pixel_values": pixels}


def pass_with_pictures(model: Any) -> Given:
    """The outputs for a padded batch with pictures."""
    return pass_over(model, pictured(model))


def generated_from_pictures(model: Any) -> Given:
    """Texts that go on from pictures."""
    return {"sequences": model.generate(**pictured(model), **GREEDY)}
