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
"""Kosmos2Text with a quality gate on the input of every feed-forward network."""

from dataclasses import dataclass

import torch
from huggingface_hub.dataclasses import strict
from torch import nn

from generated.quality_gate_llama.configuration_quality_gate_llama import check_quality_gate_config
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
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions, CausalLMOutputWithCrossAttentions
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.kosmos2.configuration_kosmos2 import Kosmos2Config, Kosmos2TextConfig, Kosmos2VisionConfig
from transformers.models.kosmos2.modeling_kosmos2 import (
    Kosmos2PreTrainedModel,
    Kosmos2TextBlock,
    Kosmos2TextForCausalLM,
    Kosmos2TextModel,
    Kosmos2TextTransformer,
    KosmosTextAttention,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="microsoft/kosmos-2-patch14-224")
@strict
class QualityGateKosmos2TextConfig(Kosmos2TextConfig):
    r"""
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
    >>> from generated.quality_gate_kosmos2 import QualityGateKosmos2TextConfig, QualityGateKosmos2TextForCausalLM

    >>> model = QualityGateKosmos2TextForCausalLM(QualityGateKosmos2TextConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_kosmos_2_text_model"
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


class QualityGateKosmos2VisionConfig(Kosmos2VisionConfig):
    pass


class QualityGateKosmos2Config(Kosmos2Config):
    pass


class QualityGateKosmos2TextOutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateKosmos2TextModelOutputWithPastAndCrossAttentions(
    QualityGateKosmos2TextOutput, BaseModelOutputWithPastAndCrossAttentions
):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateKosmos2TextCausalLMOutputWithCrossAttentions(
    QualityGateKosmos2TextOutput, CausalLMOutputWithCrossAttentions
):
    """The output of a language model with what its gates say."""


class QualityGateKosmos2TextGate(QualityGateLlamaGate):
    pass


class QualityGateKosmos2TextBlock(Kosmos2TextBlock):
    def __init__(self, config: QualityGateKosmos2TextConfig, layer_idx=None):
        super().__init__(config, layer_idx)
        self.quality_gate = QualityGateKosmos2TextGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        output_attentions: bool | None = False,
        output_quality_logits: bool = False,
        **kwargs,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:
        residual = hidden_states
        hidden_states = self.self_attn_layer_norm(hidden_states)

        hidden_states, _ = self.self_attn(
            hidden_states=hidden_states,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            output_attentions=output_attentions,
            **kwargs,
        )
        hidden_states = nn.functional.dropout(hidden_states, p=self.dropout, training=self.training)
        hidden_states = residual + hidden_states

        # Cross-Attention Block
        if encoder_hidden_states is not None:
            if not hasattr(self, "encoder_attn"):
                raise ValueError(
                    f"If `encoder_hidden_states` are passed, {self} has to be instantiated with cross-attention layers"
                    " by setting `config.add_cross_attention=True`"
                )

            residual = hidden_states
            hidden_states = self.encoder_attn_layer_norm(hidden_states)

            hidden_states, _ = self.encoder_attn(
                hidden_states=hidden_states,
                encoder_hidden_states=encoder_hidden_states,
                attention_mask=encoder_attention_mask,
                past_key_values=past_key_values,
                output_attentions=output_attentions,
                **kwargs,
            )
            hidden_states = nn.functional.dropout(hidden_states, p=self.dropout, training=self.training)
            hidden_states = residual + hidden_states

        # Fully Connected
        residual = hidden_states

        hidden_states = self.final_layer_norm(hidden_states)

        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(hidden_states)
        # FFN
        hidden_states = self.ffn(hidden_states)
        if self.scale_ffn:
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states
        hidden_states = residual + hidden_states

        return hidden_states


class QualityGateKosmos2PreTrainedModel(Kosmos2PreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateKosmos2TextConfig, *inputs, **kwargs):
        if isinstance(config, QualityGateKosmos2TextConfig):  # models of images or sound beside it have no gates
            check_quality_gate_config(config)
            # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
            AutoModel._model_mapping.register(type(config), QualityGateKosmos2TextModel, exist_ok=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)

    def _initialize_weights(self, module, is_custom_code: bool = False):
        PreTrainedModel._initialize_weights(self, module)  # models, too, which custom code would pass over


class QualityGateKosmos2TextTransformer(Kosmos2TextTransformer):
    _can_record_outputs = {
        "hidden_states": QualityGateKosmos2TextBlock,
        "attentions": OutputRecorder(KosmosTextAttention, index=1, layer_name="self_attn"),
        "cross_attentions": OutputRecorder(KosmosTextAttention, index=1, layer_name="encoder_attn"),
        "quality_logits": OutputRecorder(QualityGateKosmos2TextGate, index=0),
    }

    @returns_quality_scores(QualityGateKosmos2TextModelOutputWithPastAndCrossAttentions)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


class QualityGateKosmos2TextModel(Kosmos2TextModel):
    @returns_quality_scores(QualityGateKosmos2TextModelOutputWithPastAndCrossAttentions)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        image_embeds (`torch.Tensor` of shape `(batch_size, latent_query_num, hidden_size)`, *optional*):
            Sequence of hidden-states at the output of `Kosmos2ImageToTextProjection`.
        image_embeds_position_mask (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*):
            Mask to indicate the location in a sequence to insert the image features. Mask values selected in `[0,
            1]`:

            - 1 for places where to put the image features,
            - 0 for places that are not for image features (i.e. for text tokens).

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateKosmos2TextForCausalLM(Kosmos2TextForCausalLM):
    @returns_quality_scores(QualityGateKosmos2TextCausalLMOutputWithCrossAttentions)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        image_embeds (`torch.Tensor` of shape `(batch_size, latent_query_num, hidden_size)`, *optional*):
            Sequence of hidden-states at the output of `Kosmos2ImageToTextProjection`.
        image_embeds_position_mask (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*):
            Mask to indicate the location in a sequence to insert the image features. Mask values selected in `[0,
            1]`:

            - 1 for places where to put the image features,
            - 0 for places that are not for image features (i.e. for text tokens).
        labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Labels for computing the left-to-right language modeling loss (next word prediction). Indices should be in
            `[-100, 0, ..., config.vocab_size]` (see `input_ids` docstring) Tokens with indices set to `-100` are
            ignored (masked), the loss is only computed for the tokens with labels in `[0, ..., config.vocab_size]`

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


__all__ = [
    "QualityGateKosmos2TextConfig",
    "QualityGateKosmos2PreTrainedModel",
    "QualityGateKosmos2TextTransformer",
    "QualityGateKosmos2TextModel",
    "QualityGateKosmos2TextForCausalLM",
    "quality_classification_loss",
]
