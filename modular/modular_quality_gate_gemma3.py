# Copyright 2026 The Quality Gate team.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Gemma3 with a quality gate on the input of every feed-forward network, as a text and as an image-text model."""

from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.dataclasses import strict

from generated.quality_gate_llama.configuration_quality_gate_llama import (
    QUALITY_GATE_CHOICES,
    QUALITY_GATE_RANGES,
    check_quality_gate_config,
)
from generated.quality_gate_llama.modeling_quality_gate_llama import (
    QualityGateLlamaGate,
    QualityGateLlamaOutput,
    load_quality_gates,
    quality_classification_loss,
    quality_layers,
    records_quality_scores,
    returns_quality_scores,
    save_quality_gates,
)
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.configuration_utils import PreTrainedConfig
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.modeling_layers import GenericForSequenceClassification
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    CausalLMOutputWithPast,
    SequenceClassifierOutputWithPast,
)
from transformers.models.auto import AutoModel
from transformers.models.gemma3.configuration_gemma3 import Gemma3Config, Gemma3TextConfig
from transformers.models.gemma3.modeling_gemma3 import (
    Gemma3Attention,
    Gemma3CausalLMOutputWithPast,
    Gemma3DecoderLayer,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3ForSequenceClassification,
    Gemma3Model,
    Gemma3ModelOutputWithPast,
    Gemma3PreTrainedModel,
    Gemma3TextForSequenceClassification,
    Gemma3TextModel,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


QUALITY_GATE_FIELDS = {
    *QUALITY_GATE_CHOICES,
    *QUALITY_GATE_RANGES,
    "sample_wise_averaging",
    "quality_loss_debug",
    "output_router_logits",
}


@auto_docstring(checkpoint="google/gemma-3-4b-it")
@strict
class QualityGateGemma3TextConfig(Gemma3TextConfig):
    r"""
    query_pre_attn_scalar (`float`, *optional*, defaults to 256):
        scaling factor used on the attention scores
    final_logit_softcapping (`float`, *optional*):
        Scaling factor when applying tanh softcapping on the logits.
    attn_logit_softcapping (`float`, *optional*):
        Scaling factor when applying tanh softcapping on the attention scores.
    use_bidirectional_attention (`bool`, *optional*, defaults to `False`):
        If True, the model will attend to all text tokens instead of using a causal mask. This does not change
        behavior for vision tokens.
    quality_gate_init_mean (`float`, *optional*, defaults to 0.0):
        Mean of the normal distribution that new gate weights are drawn from.
    quality_gate_init_std (`float`, *optional*, defaults to 0.02):
        Standard deviation of that distribution.
    quality_gate_mode (`str`, *optional*, defaults to `"observe"`):
        `"observe"` leaves the logits as the base computes them, `"scale_ffn"` multiplies the output of every
        feed-forward network by its good ratio.
    quality_loss_weight (`float`, *optional*, defaults to 0.5):
        Weight of the quality loss in the loss.
    quality_loss_type (`str`, *optional*, defaults to `"linear"`):
        `"linear"` (also called `"sigmoid"`), `"mse"`, `"beta_moment_matching"` or `"mean_variance_regularization"`.
    quality_loss_balance (`float`, *optional*, defaults to 1.0):
        Weight of samples whose `quality_labels` are 0; that of samples labeled 1 is 2 less this.
    sample_wise_averaging (`bool`, *optional*, defaults to `True`):
        Whether the loss averages over samples, each the mean of its tokens, or over all tokens.
    beta_target_mean (`float`, *optional*, defaults to 0.5):
        Mean that `"beta_moment_matching"` pulls the good ratios to.
    beta_target_var (`float`, *optional*, defaults to 0.05):
        Variance that `"beta_moment_matching"` pulls the good ratios to.
    w_mean (`float`, *optional*, defaults to 1.0):
        Weight of the mean in `"beta_moment_matching"`.
    w_var (`float`, *optional*, defaults to 1.0):
        Weight of the variance in `"beta_moment_matching"`.
    lambda_var (`float`, *optional*, defaults to 0.1):
        Reward for variance in `"mean_variance_regularization"`.
    quality_loss_debug (`bool`, *optional*, defaults to `False`):
        Whether to print the scores and the loss of every fifth layer.

    ```python
    >>> from generated.quality_gate_gemma3 import QualityGateGemma3TextConfig, QualityGateGemma3ForCausalLM

    >>> model = QualityGateGemma3ForCausalLM(QualityGateGemma3TextConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_gemma3_text"
    keys_to_ignore_at_inference = [
        "past_key_values",
        "lm_loss",
        "quality_loss",
        "aux_loss",
        "quality_logits",
        "router_logits",
    ]

    quality_gate_init_mean: float | int = 0.0
    quality_gate_init_std: float | int = 0.02
    quality_gate_mode: str = "observe"
    quality_loss_weight: float | int = 0.5
    quality_loss_type: str = "linear"
    quality_loss_balance: float | int = 1.0
    sample_wise_averaging: bool = True
    beta_target_mean: float | int = 0.5
    beta_target_var: float | int = 0.05
    w_mean: float | int = 1.0
    w_var: float | int = 1.0
    lambda_var: float | int = 0.1
    quality_loss_debug: bool = False
    output_router_logits: bool = False

    def __post_init__(self, **kwargs):
        kwargs.pop("model_type", None)  # the config of a base checkpoint brings its own
        super().__post_init__(**kwargs)
        check_quality_gate_config(self)


@auto_docstring(checkpoint="google/gemma-3-4b-it")
@strict
class QualityGateGemma3Config(Gemma3Config):
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
        "past_key_values",
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
        super().__post_init__(**kwargs)
        check_quality_gate_config(self.text_config)

    def __getattr__(self, key):
        if key in QUALITY_GATE_FIELDS:
            return getattr(self.text_config, key)
        raise AttributeError(f"{type(self).__name__} has no attribute {key!r}")

    def __setattr__(self, key, value):
        if key in QUALITY_GATE_FIELDS:
            setattr(self.text_config, key, value)
        else:
            PreTrainedConfig.__setattr__(self, key, value)


class QualityGateGemma3Output(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateGemma3TextModelOutputWithPast(QualityGateGemma3Output, BaseModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateGemma3TextCausalLMOutputWithPast(QualityGateGemma3Output, CausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


@dataclass
class QualityGateGemma3SequenceClassifierOutputWithPast(QualityGateGemma3Output, SequenceClassifierOutputWithPast):
    """The output of a sequence classifier with what its gates say."""


class QualityGateGemma3ModelOutputWithPast(Gemma3ModelOutputWithPast):
    r"""
    image_hidden_states (`torch.Tensor`, *optional*):
        A `torch.Tensor` of size `(batch_size, num_images, sequence_length, hidden_size)`.
        image_hidden_states of the model produced by the vision encoder and after projecting the last hidden state.
    lm_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
        The loss of the head alone, for a language model the language modeling loss; `loss` is the sum of all.
    quality_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with the scores):
        The quality loss, mean over layers, before it is weighted.
    aux_loss (`torch.FloatTensor` of shape `(1,)`, *optional*):
        The load balancing loss where the base has experts.
    quality_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        One tensor of shape `(batch_size, sequence_length, 1)` for every layer: the gates' scores before the sigmoid.
    router_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        The logits of the experts' routers where the base has experts, else `quality_logits`.
    """

    lm_loss: torch.FloatTensor | None = None
    quality_loss: torch.FloatTensor | None = None
    aux_loss: torch.FloatTensor | None = None
    quality_logits: tuple[torch.FloatTensor, ...] | None = None
    router_logits: tuple[torch.FloatTensor, ...] | None = None


class QualityGateGemma3CausalLMOutputWithPast(Gemma3CausalLMOutputWithPast):
    r"""
    loss (`torch.Tensor` of shape `(1,)`, *optional*, returned when `labels` is provided):
        Language modeling loss (for next-token prediction).
    logits (`torch.Tensor` of shape `(batch_size, sequence_length, config.text_config.vocab_size)`):
        Prediction scores of the language modeling head (scores for each vocabulary token before SoftMax).
    past_key_values (`Cache`, *optional*, returned when `use_cache=True` is passed or when `config.use_cache=True`):
        It is a [`~cache_utils.Cache`] instance. For more details, see our [kv cache guide](https://huggingface.co/docs/transformers/en/kv_cache).

        Contains pre-computed hidden-states (key and values in the self-attention blocks) that can be used (see
        `past_key_values` input) to speed up sequential decoding.
    image_hidden_states (`torch.Tensor`, *optional*):
        A `torch.Tensor` of size `(batch_size, num_images, sequence_length, hidden_size)`.
        image_hidden_states of the model produced by the vision encoder after projecting last hidden state.
    lm_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
        The loss of the head alone, for a language model the language modeling loss; `loss` is the sum of all.
    quality_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with the scores):
        The quality loss, mean over layers, before it is weighted.
    aux_loss (`torch.FloatTensor` of shape `(1,)`, *optional*):
        The load balancing loss where the base has experts.
    quality_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        One tensor of shape `(batch_size, sequence_length, 1)` for every layer: the gates' scores before the sigmoid.
    router_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        The logits of the experts' routers where the base has experts, else `quality_logits`.
    """

    lm_loss: torch.FloatTensor | None = None
    quality_loss: torch.FloatTensor | None = None
    aux_loss: torch.FloatTensor | None = None
    quality_logits: tuple[torch.FloatTensor, ...] | None = None
    router_logits: tuple[torch.FloatTensor, ...] | None = None


class QualityGateGemma3Gate(QualityGateLlamaGate):
    pass


class QualityGateGemma3Attention(Gemma3Attention):
    pass


class QualityGateGemma3DecoderLayer(Gemma3DecoderLayer):
    def __init__(self, config: QualityGateGemma3TextConfig, layer_idx: int):
        super().__init__(config, layer_idx)
        self.quality_gate = QualityGateGemma3Gate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: torch.Tensor = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        output_quality_logits: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:
        residual = hidden_states

        hidden_states = self.input_layernorm(hidden_states)

        hidden_states, _ = self.self_attn(
            hidden_states=hidden_states,
            position_embeddings=position_embeddings,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            **kwargs,
        )
        hidden_states = self.post_attention_layernorm(hidden_states)
        hidden_states = residual + hidden_states

        residual = hidden_states
        hidden_states = self.pre_feedforward_layernorm(hidden_states)
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(hidden_states)
        hidden_states = self.mlp(hidden_states)
        hidden_states = self.post_feedforward_layernorm(hidden_states)
        if self.scale_ffn:  # after the norm, which would undo it
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states
        hidden_states = residual + hidden_states

        return hidden_states


class QualityGateGemma3PreTrainedModel(Gemma3PreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "hidden_states": QualityGateGemma3DecoderLayer,
        "attentions": QualityGateGemma3Attention,
        "quality_logits": OutputRecorder(QualityGateGemma3Gate, index=0),
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateGemma3Config, *inputs, **kwargs):
        text_config = config.get_text_config()
        check_quality_gate_config(text_config)
        # The heads and the image-text model build their base models with AutoModel; remote code may have loaded the
        # classes of the configs twice
        AutoModel._model_mapping.register(type(config), QualityGateGemma3Model, exist_ok=True)
        AutoModel._model_mapping.register(type(text_config), QualityGateGemma3TextModel, exist_ok=True)
        # Checkpoints of Gemma3 name their weights as Llava did
        for ours, theirs in (("quality_gate_gemma3", "gemma3"), ("QualityGateGemma3Model", "Gemma3Model")):
            names = get_checkpoint_conversion_mapping(theirs)
            register_checkpoint_conversion_mapping(ours, names, overwrite=True)
        super().__init__(config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            config = self.config.get_text_config()
            init.normal_(module.weight, mean=config.quality_gate_init_mean, std=config.quality_gate_init_std)


class QualityGateGemma3TextModel(Gemma3TextModel):
    _tp_plan = {"layers.*.quality_gate.gate": "replicate"}

    @returns_quality_scores(QualityGateGemma3TextModelOutputWithPast)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


class QualityGateGemma3ForCausalLM(Gemma3ForCausalLM):
    @returns_quality_scores(QualityGateGemma3TextCausalLMOutputWithPast)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateGemma3TextForSequenceClassification(Gemma3TextForSequenceClassification):
    forward = returns_quality_scores(QualityGateGemma3SequenceClassifierOutputWithPast)(
        GenericForSequenceClassification.forward
    )


class QualityGateGemma3Model(Gemma3Model):
    @returns_quality_scores(QualityGateGemma3ModelOutputWithPast)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateGemma3ForConditionalGeneration(Gemma3ForConditionalGeneration):
    @returns_quality_scores(QualityGateGemma3CausalLMOutputWithPast)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Labels for computing the masked language modeling loss. Indices should either be in `[0, ...,
            config.text_config.vocab_size]` or -100 (see `input_ids` docstring). Tokens with indices set to `-100` are ignored
            (masked), the loss is only computed for the tokens with labels in `[0, ..., config.text_config.vocab_size]`.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateGemma3ForSequenceClassification(Gemma3ForSequenceClassification):
    @returns_quality_scores(QualityGateGemma3SequenceClassifierOutputWithPast)
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


__all__ = [
    "QualityGateGemma3TextConfig",
    "QualityGateGemma3Config",
    "QualityGateGemma3PreTrainedModel",
    "QualityGateGemma3TextModel",
    "QualityGateGemma3ForCausalLM",
    "QualityGateGemma3TextForSequenceClassification",
    "QualityGateGemma3Model",
    "QualityGateGemma3ForConditionalGeneration",
    "QualityGateGemma3ForSequenceClassification",
    "quality_classification_loss",
]
