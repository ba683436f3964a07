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
"""RecurrentGemma with a quality gate on the input of every feed-forward network."""

from dataclasses import dataclass

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
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.recurrent_gemma.configuration_recurrent_gemma import RecurrentGemmaConfig
from transformers.models.recurrent_gemma.modeling_recurrent_gemma import (
    RecurrentGemmaAttention,
    RecurrentGemmaDecoderLayer,
    RecurrentGemmaForCausalLM,
    RecurrentGemmaModel,
    RecurrentGemmaPreTrainedModel,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="google/recurrentgemma-2b")
@strict
class QualityGateRecurrentGemmaConfig(RecurrentGemmaConfig):
    r"""
    lru_width (`int` or `None`, *optional*):
        Dimension of the hidden representations of the RG-LRU. If `None`
        this will be set to `hidden_size`.
        Whether to scale the output of the embeddings by `sqrt(hidden_size)`.
    attention_window_size (`int`, *optional*, defaults to 2048):
        The size of the attention window used in the attention block.
    conv1d_width (`int`, *optional*, defaults to 4):
        The kernel size of conv1d layers used in the recurrent blocks.
    logits_soft_cap (`float`, *optional*, defaults to 30.0):
        The value at which the logits should be soft-capped to after the transformer and LM-head computation in the Causal LM architecture.
    block_types (`list[str]`, *optional*, defaults to `('recurrent', 'recurrent', 'attention')`):
        List of alternating blocks that will be repeated to initialize the `temporal_block` layer.
    w_init_variance_scale (`float`, *optional*, defaults to 0.01):
        weight initialization variance.
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
    >>> from generated.quality_gate_recurrent_gemma import QualityGateRecurrentGemmaConfig, QualityGateRecurrentGemmaForCausalLM

    >>> model = QualityGateRecurrentGemmaForCausalLM(QualityGateRecurrentGemmaConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_recurrent_gemma"
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


class QualityGateRecurrentGemmaOutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateRecurrentGemmaModelOutput(QualityGateRecurrentGemmaOutput, BaseModelOutput):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateRecurrentGemmaCausalLMOutput(QualityGateRecurrentGemmaOutput, CausalLMOutput):
    """The output of a language model with what its gates say."""


class QualityGateRecurrentGemmaGate(QualityGateLlamaGate):
    pass


class QualityGateRecurrentGemmaAttention(RecurrentGemmaAttention):
    pass


class QualityGateRecurrentGemmaDecoderLayer(RecurrentGemmaDecoderLayer):
    def __init__(self, config: QualityGateRecurrentGemmaConfig, layer_idx):
        super().__init__(config, layer_idx)
        self.quality_gate = QualityGateRecurrentGemmaGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        activations: torch.Tensor,
        position_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        use_cache: bool | None = None,
        past_key_values: Cache | None = None,
        output_quality_logits: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        raw_activations = activations
        inputs_normalized = self.temporal_pre_norm(raw_activations)  # RMSNorm introduces slight differences

        hidden_states, _ = self.temporal_block(
            inputs_normalized,
            position_ids=position_ids,
            attention_mask=attention_mask,
            use_cache=use_cache,
            past_key_values=past_key_values,
            **kwargs,
        )

        residual = hidden_states + raw_activations

        hidden_states = self.channel_pre_norm(residual)
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(hidden_states)
        hidden_states = self.mlp_block(hidden_states)
        if self.scale_ffn:
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states

        hidden_states = hidden_states + residual
        return hidden_states


class QualityGateRecurrentGemmaPreTrainedModel(RecurrentGemmaPreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "hidden_states": QualityGateRecurrentGemmaDecoderLayer,
        "attentions": QualityGateRecurrentGemmaAttention,
        "quality_logits": OutputRecorder(QualityGateRecurrentGemmaGate, index=0),
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateRecurrentGemmaConfig, *inputs, **kwargs):
        check_quality_gate_config(config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), QualityGateRecurrentGemmaModel, exist_ok=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)

    def _initialize_weights(self, module, is_custom_code: bool = False):
        PreTrainedModel._initialize_weights(self, module)  # models, too, which custom code would pass over


class QualityGateRecurrentGemmaModel(RecurrentGemmaModel):
    @returns_quality_scores(QualityGateRecurrentGemmaModelOutput)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


class QualityGateRecurrentGemmaForCausalLM(RecurrentGemmaForCausalLM):
    @returns_quality_scores(QualityGateRecurrentGemmaCausalLMOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


__all__ = [
    "QualityGateRecurrentGemmaConfig",
    "QualityGateRecurrentGemmaPreTrainedModel",
    "QualityGateRecurrentGemmaModel",
    "QualityGateRecurrentGemmaForCausalLM",
    "quality_classification_loss",
]
