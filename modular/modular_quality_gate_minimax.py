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
"""MiniMax with a quality gate on the input of every feed-forward network."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import torch
from huggingface_hub.dataclasses import strict

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
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.modeling_flash_attention_utils import FlashAttentionKwargs
from transformers.modeling_layers import (
    GenericForQuestionAnswering,
    GenericForSequenceClassification,
    GenericForTokenClassification,
)
from transformers.modeling_outputs import (
    MoeCausalLMOutputWithPast,
    MoeModelOutputWithPast,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutputWithPast,
    TokenClassifierOutput,
)
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.minimax.configuration_minimax import MiniMaxConfig
from transformers.models.minimax.modeling_minimax import (
    MiniMaxAttention,
    MiniMaxDecoderLayer,
    MiniMaxForCausalLM,
    MiniMaxForQuestionAnswering,
    MiniMaxForSequenceClassification,
    MiniMaxForTokenClassification,
    MiniMaxLightningAttention,
    MiniMaxModel,
    MiniMaxPreTrainedModel,
    MiniMaxTopKRouter,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="MiniMaxAI/MiniMax-Text-01-hf")
@strict
class QualityGateMiniMaxConfig(MiniMaxConfig):
    r"""
    block_size (`int`, *optional*, defaults to 256):
        The length of each attention block, determining how queries, keys, and values
        are grouped and processed for intra- and inter-block attention.
    full_attn_alpha_factor (`float`, *optional*, defaults to 1):
        Weight for residual value in residual connection after normal attention.
    full_attn_beta_factor (`float`, *optional*, defaults to 1):
        Weight for hidden state value in residual connection after normal attention.
    linear_attn_alpha_factor (`float`, *optional*, defaults to 1):
        Weight for residual value in residual connection after lightning attention.
    linear_attn_beta_factor (`float`, *optional*, defaults to 1):
        Weight for hidden state value in residual connection after lightning attention.
    mlp_alpha_factor (`float`, *optional*, defaults to 1):
        Weight for residual value in residual connection after MLP.
    mlp_beta_factor (`float`, *optional*, defaults to 1):
        Weight for hidden state value in residual connection after MLP.
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
    >>> from generated.quality_gate_minimax import QualityGateMiniMaxConfig, QualityGateMiniMaxForCausalLM

    >>> model = QualityGateMiniMaxForCausalLM(QualityGateMiniMaxConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_minimax"
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


class QualityGateMiniMaxOutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateMiniMaxModelOutputWithPast(QualityGateMiniMaxOutput, MoeModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateMiniMaxCausalLMOutputWithPast(QualityGateMiniMaxOutput, MoeCausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


@dataclass
class QualityGateMiniMaxSequenceClassifierOutputWithPast(QualityGateMiniMaxOutput, SequenceClassifierOutputWithPast):
    """The output of a sequence classifier with what its gates say."""


@dataclass
class QualityGateMiniMaxTokenClassifierOutput(QualityGateMiniMaxOutput, TokenClassifierOutput):
    """The output of a token classifier with what its gates say."""


@dataclass
class QualityGateMiniMaxQuestionAnsweringModelOutput(QualityGateMiniMaxOutput, QuestionAnsweringModelOutput):
    """The output of a question answering model with what its gates say."""


class QualityGateMiniMaxGate(QualityGateLlamaGate):
    pass


class QualityGateMiniMaxLightningAttention(MiniMaxLightningAttention):
    pass


class QualityGateMiniMaxAttention(MiniMaxAttention):
    pass


class QualityGateMiniMaxTopKRouter(MiniMaxTopKRouter):
    pass


class QualityGateMiniMaxDecoderLayer(MiniMaxDecoderLayer):
    def __init__(self, config: QualityGateMiniMaxConfig, layer_idx: int):
        super().__init__(config, layer_idx)
        self.quality_gate = QualityGateMiniMaxGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = False,
        output_quality_logits: bool = False,
        **kwargs: Unpack[FlashAttentionKwargs],
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:
        hidden_states = self.input_layernorm(hidden_states)
        residual = hidden_states
        hidden_states, _ = self.self_attn(
            hidden_states=hidden_states,
            position_embeddings=position_embeddings,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            **kwargs,
        )
        hidden_states = residual * self.attn_alpha_factor + hidden_states * self.attn_beta_factor
        hidden_states = self.post_attention_layernorm(hidden_states)
        residual = hidden_states
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(hidden_states)
        hidden_states = self.mlp(hidden_states)
        if self.scale_ffn:
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states
        hidden_states = residual * self.mlp_alpha_factor + hidden_states * self.mlp_beta_factor

        return hidden_states


class QualityGateMiniMaxPreTrainedModel(MiniMaxPreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "router_logits": OutputRecorder(QualityGateMiniMaxTopKRouter, layer_name="mlp.gate", index=0),
        "hidden_states": QualityGateMiniMaxDecoderLayer,
        "attentions": [QualityGateMiniMaxAttention, QualityGateMiniMaxLightningAttention],
        "quality_logits": OutputRecorder(QualityGateMiniMaxGate, index=0),
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateMiniMaxConfig, *inputs, **kwargs):
        check_quality_gate_config(config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), QualityGateMiniMaxModel, exist_ok=True)
        # Checkpoints of the base hold weights in another form than the model
        for ours, base in (("quality_gate_minimax", "minimax"),):
            names = get_checkpoint_conversion_mapping(base)
            register_checkpoint_conversion_mapping(ours, names, overwrite=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)


class QualityGateMiniMaxModel(MiniMaxModel):
    _tp_plan = {"layers.*.quality_gate.gate": "replicate"}

    @returns_quality_scores(QualityGateMiniMaxModelOutputWithPast)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


def balances_whole_sequences(forward: Callable) -> Callable:
    """Decorate the `forward` of a language model: no load balancing loss where the mask is not the tokens' own.

    With a cache the mask is longer than the routers' logits or prepared for attention, and the loss fails on it.
    """

    @wraps(forward)
    def wrapper(self, input_ids=None, attention_mask=None, inputs_embeds=None, **kwargs):
        tokens = input_ids if input_ids is not None else inputs_embeds
        if attention_mask is not None and tokens is not None:
            if not isinstance(attention_mask, torch.Tensor) or attention_mask.shape != tokens.shape[:2]:
                kwargs["output_router_logits"] = False
        return forward(self, input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs)

    return wrapper


class QualityGateMiniMaxForCausalLM(MiniMaxForCausalLM):
    @returns_quality_scores(QualityGateMiniMaxCausalLMOutputWithPast)
    @balances_whole_sequences
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateMiniMaxForSequenceClassification(MiniMaxForSequenceClassification):
    forward = returns_quality_scores(QualityGateMiniMaxSequenceClassifierOutputWithPast)(
        GenericForSequenceClassification.forward
    )


class QualityGateMiniMaxForTokenClassification(MiniMaxForTokenClassification):
    forward = returns_quality_scores(QualityGateMiniMaxTokenClassifierOutput)(GenericForTokenClassification.forward)


class QualityGateMiniMaxForQuestionAnswering(MiniMaxForQuestionAnswering):
    forward = returns_quality_scores(QualityGateMiniMaxQuestionAnsweringModelOutput)(
        GenericForQuestionAnswering.forward
    )


__all__ = [
    "QualityGateMiniMaxConfig",
    "QualityGateMiniMaxPreTrainedModel",
    "QualityGateMiniMaxModel",
    "QualityGateMiniMaxForCausalLM",
    "QualityGateMiniMaxForSequenceClassification",
    "QualityGateMiniMaxForTokenClassification",
    "QualityGateMiniMaxForQuestionAnswering",
    "quality_classification_loss",
]
