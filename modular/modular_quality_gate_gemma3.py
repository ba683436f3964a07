# SPDX-License-Identifier: Apache-2.0
"""Gemma3 with a quality gate on the input of every feed-forward network, as a text and as an image-text model."""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from weave.form import home

from gates.quality import QualityGate
from gates.quality.checks import quality_gate_fields
from gates.quality.configuration import (
    QUALITY_GATE_CHOICES,
    QUALITY_GATE_RANGES,
    check_quality_gate_config,
    fields_by_their_names,
    tell_of_old_field,
)
from transformers import initialization as init
from transformers.configuration_utils import PreTrainedConfig
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.models.auto import AutoModel
from transformers.models.gemma3 import modeling_gemma3 as base
from transformers.utils import auto_docstring


QUALITY_GATE_FIELDS = {
    *QUALITY_GATE_CHOICES,
    *QUALITY_GATE_RANGES,
    "sample_wise_averaging",
    "quality_loss_debug",
    "output_quality_logits",
}


class QualityGateGemma3TextConfig(base.Gemma3TextConfig):
    pass


@auto_docstring(checkpoint="google/gemma-3-4b-it")
@strict
class QualityGateGemma3Config(base.Gemma3Config):
    r"""
    mm_tokens_per_image (`int`, *optional*, defaults to 256):
        The number of tokens per image embedding.
    boi_token_index (`int`, *optional*, defaults to 255999):
        The begin-of-image token index to wrap the image prompt.
    eoi_token_index (`int`, *optional*, defaults to 256000):
        The end-of-image token index to wrap the image prompt.

    The fields of the gates are those of `text_config`, where the gates are; they can be given and read here as well.

    ```python
    >>> from generated.quality_gate_gemma3 import QualityGateGemma3Config, QualityGateGemma3ForConditionalGeneration

    >>> model = QualityGateGemma3ForConditionalGeneration(QualityGateGemma3Config(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_gemma3"
    keys_to_ignore_at_inference = [
        "cache",
        "past_key_values",  # what the cache is called before transformers 5.24.0
        "lm_loss",
        "quality_loss",
        "aux_loss",
        "quality_logits",
        "router_logits",
    ]

    text_config: PreTrainedConfig | dict[str, Any] | None = None

    def __post_init__(self, **kwargs):
        kwargs.pop("model_type", None)  # the config of a base checkpoint brings its own
        text_config = self.text_config
        if isinstance(text_config, PreTrainedConfig) and not isinstance(text_config, QualityGateGemma3TextConfig):
            self.text_config = QualityGateGemma3TextConfig(**text_config.to_dict())  # the base's has no gates
        asks = kwargs.pop("output_router_logits", False)  # the old name
        super().__post_init__(**kwargs)
        if asks:
            self.output_quality_logits = True
            tell_of_old_field()
        check_quality_gate_config(self.text_config)

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        return super().from_dict(config_dict, **fields_by_their_names(cls, kwargs))

    def __getattr__(self, key):
        if key in QUALITY_GATE_FIELDS:
            return getattr(self.text_config, key)
        raise AttributeError(f"{type(self).__name__} has no attribute {key!r}")

    def __setattr__(self, key, value):
        if key in QUALITY_GATE_FIELDS:
            setattr(self.text_config, key, value)
        else:
            PreTrainedConfig.__setattr__(self, key, value)


class QualityGateGemma3DecoderLayer(base.Gemma3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")


class QualityGateGemma3PreTrainedModel(base.Gemma3PreTrainedModel):
    @home
    def __init__(self, config: QualityGateGemma3Config, *inputs, **kwargs):
        text_config = config.get_text_config()
        check_quality_gate_config(text_config)
        self.quality_gate_fields = quality_gate_fields(text_config)  # that its layers are built from
        # The heads and the image-text model build their base models with AutoModel; remote code may have loaded the
        # classes of the configs twice
        AutoModel._model_mapping.register(type(config), QualityGateGemma3Model, exist_ok=True)
        AutoModel._model_mapping.register(type(text_config), QualityGateGemma3TextModel, exist_ok=True)
        # Checkpoints of Gemma3 name their weights as Llava did
        for ours, theirs in (("quality_gate_gemma3", "gemma3"), ("QualityGateGemma3Model", "Gemma3Model")):
            names = get_checkpoint_conversion_mapping(theirs)
            register_checkpoint_conversion_mapping(ours, names, overwrite=True)
        base.PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @home  # elsewhere a gate is known by its class
    @torch.no_grad()
    def _init_weights(self, module):
        base.Gemma3PreTrainedModel._init_weights(self, module)
        if getattr(module, "scores_quality", False):
            config = self.config.get_text_config()
            init.normal_(module.weight, mean=config.quality_gate_init_mean, std=config.quality_gate_init_std)


class QualityGateGemma3TextModel(base.Gemma3TextModel):
    pass


class QualityGateGemma3Model(base.Gemma3Model):
    pass


class QualityGateGemma3ForConditionalGeneration(base.Gemma3ForConditionalGeneration):
    pass


class QualityGateGemma3ForSequenceClassification(base.Gemma3ForSequenceClassification):
    pass
