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
"""LongCat-Flash with a quality gate on the input of every layer's experts.

A layer's two dense networks have none: they run one behind the other, and the experts beside both. What the experts
return joins the residual at the end of the layer, so it is scaled there and not where they are called.
"""

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
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.modeling_flash_attention_utils import FlashAttentionKwargs
from transformers.modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.longcat_flash.configuration_longcat_flash import LongcatFlashConfig
from transformers.models.longcat_flash.modeling_longcat_flash import (
    LongcatFlashDecoderLayer,
    LongcatFlashForCausalLM,
    LongcatFlashMLA,
    LongcatFlashModel,
    LongcatFlashPreTrainedModel,
    LongcatFlashTopkRouter,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="meituan-longcat/LongCat-Flash-Chat")
@strict
class QualityGateLongcatFlashConfig(LongcatFlashConfig):
    r"""
    num_layers (`int`, *optional*, defaults to 28):
        Number of decoder layers. Each holds two attention sublayers, so
        `num_hidden_layers` is always derived as `2 * num_layers`.
    ffn_hidden_size (`int`, *optional*, defaults to 12288):
        Dimension of the MLP representations.
    qk_head_dim (`int`, *optional*):
        The total dimension of query/key heads. If not specified, set to `qk_nope_head_dim + qk_rope_head_dim`.
    moe_topk (`int`, *optional*, defaults to 12):
        Number of experts to route to for each token in the MoE layer.
    zero_expert_num (`int`, *optional*, defaults to 256):
        Number of zero experts (identity function) to add to the expert pool.
    expert_ffn_hidden_size (`int`, *optional*, defaults to 2048):
        Hidden size of individual expert FFN layers.
    quality_gate_init_mean (`float`, *optional*, defaults to 0.0):
        Mean of the normal distribution that new gate weights are drawn from.
    quality_gate_init_std (`float`, *optional*, defaults to 0.02):
        Standard deviation of that distribution.
    quality_gate_mode (`str`, *optional*, defaults to `"observe"`):
        `"observe"` leaves the logits as the base computes them, `"scale_ffn"` multiplies the output of every layer's
        experts by its good ratio. The two dense networks of a layer are never scaled.
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
    >>> from generated.quality_gate_longcat_flash import QualityGateLongcatFlashConfig, QualityGateLongcatFlashForCausalLM

    >>> model = QualityGateLongcatFlashForCausalLM(QualityGateLongcatFlashConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_longcat_flash"
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


class QualityGateLongcatFlashOutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateLongcatFlashModelOutputWithPast(QualityGateLongcatFlashOutput, MoeModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateLongcatFlashCausalLMOutputWithPast(QualityGateLongcatFlashOutput, MoeCausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


class QualityGateLongcatFlashGate(QualityGateLlamaGate):
    pass


class QualityGateLongcatFlashTopkRouter(LongcatFlashTopkRouter):
    pass


class QualityGateLongcatFlashMLA(LongcatFlashMLA):
    pass


class QualityGateLongcatFlashDecoderLayer(LongcatFlashDecoderLayer):
    """
    LongCat decoder layer with dual-sublayer + shortcut MoE architecture, and a gate on the input of the experts.

    Each logical layer contains:
    - 2 attention sublayers (with layer indices: layer_idx*2, layer_idx*2+1)
    - 2 MLP sublayers
    - 1 shortcut MoE connection

    A layer has one gate and one score. The gate reads the normed hidden states that the experts read, and with
    `quality_gate_mode="scale_ffn"` its good ratio multiplies what the experts add at the end of the layer, and nothing else.
    The first dense network reads the same hidden states, but what it adds goes through the second attention: it stays as
    it is, as does the second one, whose input no gate reads.
    """

    def __init__(self, config: QualityGateLongcatFlashConfig, layer_idx: int):
        super().__init__(config, layer_idx)
        self.quality_gate = QualityGateLongcatFlashGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = False,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        output_quality_logits: bool = False,
        **kwargs: Unpack[FlashAttentionKwargs],
    ) -> torch.Tensor:
        residual = hidden_states
        hidden_states = self.input_layernorm[0](hidden_states)

        hidden_states, _ = self.self_attn[0](
            hidden_states=hidden_states,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            position_embeddings=position_embeddings,
            **kwargs,
        )
        hidden_states = residual + hidden_states

        residual = hidden_states
        hidden_states = self.post_attention_layernorm[0](hidden_states)

        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(hidden_states)
        shortcut_mlp_output = self.mlp(hidden_states)
        hidden_states = self.mlps[0](hidden_states)
        hidden_states = residual + hidden_states

        # shortcut connection after second sublayer
        residual = hidden_states
        hidden_states = self.input_layernorm[1](hidden_states)

        hidden_states, _ = self.self_attn[1](
            hidden_states=hidden_states,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            position_embeddings=position_embeddings,
            **kwargs,
        )
        hidden_states = residual + hidden_states

        residual = hidden_states
        hidden_states = self.post_attention_layernorm[1](hidden_states)

        hidden_states = self.mlps[1](hidden_states)
        if self.scale_ffn:
            shortcut_mlp_output = good_ratio.to(shortcut_mlp_output.dtype) * shortcut_mlp_output
        hidden_states = residual + hidden_states + shortcut_mlp_output

        return hidden_states


class QualityGateLongcatFlashPreTrainedModel(LongcatFlashPreTrainedModel):
    _keep_in_fp32_modules = ["classifier.weight", "quality_gate.gate"]
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "hidden_states": OutputRecorder(QualityGateLongcatFlashDecoderLayer, num_hidden_layers_key="num_layers"),
        "attentions": QualityGateLongcatFlashMLA,
        "router_logits": OutputRecorder(QualityGateLongcatFlashTopkRouter, index=0),
        "quality_logits": OutputRecorder(QualityGateLongcatFlashGate, index=0),
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateLongcatFlashConfig, *inputs, **kwargs):
        check_quality_gate_config(config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), QualityGateLongcatFlashModel, exist_ok=True)
        # Checkpoints of the base hold weights in another form than the model
        for ours, base in (("quality_gate_longcat_flash", "longcat_flash"),):
            names = get_checkpoint_conversion_mapping(base)
            register_checkpoint_conversion_mapping(ours, names, overwrite=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)


class QualityGateLongcatFlashModel(LongcatFlashModel):
    _tp_plan = {"layers.*.quality_gate.gate": "replicate"}

    @returns_quality_scores(QualityGateLongcatFlashModelOutputWithPast)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


class QualityGateLongcatFlashForCausalLM(LongcatFlashForCausalLM):
    @returns_quality_scores(QualityGateLongcatFlashCausalLMOutputWithPast)
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
    "QualityGateLongcatFlashConfig",
    "QualityGateLongcatFlashPreTrainedModel",
    "QualityGateLongcatFlashModel",
    "QualityGateLongcatFlashForCausalLM",
    "quality_classification_loss",
]
