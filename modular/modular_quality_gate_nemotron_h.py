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
"""NemotronH with a quality gate on the input of every feed-forward network."""

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
from transformers.modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.nemotron_h.configuration_nemotron_h import NemotronHConfig
from transformers.models.nemotron_h.modeling_nemotron_h import (
    NemotronHAttention,
    NemotronHBlock,
    NemotronHForCausalLM,
    NemotronHModel,
    NemotronHPreTrainedModel,
    NemotronHTopkRouter,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")
@strict
class QualityGateNemotronHConfig(NemotronHConfig):
    r"""
    layers_block_type (`list`, *optional*):
        Explicit list of layer types for each layer. Each element must be one of: "mlp", "linear_attention", "full_attention", or "moe".
        The number of layers is determined by the length of this list.
    num_logits_to_keep (`int`, *optional*, defaults to 1):
        Number of prompt logits to calculate during generation. If `None`, all logits will be calculated.
    use_mamba_kernels (`bool`, *optional*, defaults to `True`):
        Deprecated and has no effect. The fast Mamba kernels are used automatically when available.
    ssm_state_size (`int`, *optional*, defaults to 128):
        The dimension of the mamba state space latents.
    mamba_hidden_act (`str`, *optional*, defaults to `"silu"`):
        The non-linear activation function in the Mamba layers.
    n_groups (`int`, *optional*, defaults to 8):
        Number of groups for the evolution matrices of the Mamba layers.
    expand (`int`, *optional*, defaults to 2):
        Expanding factor used to determine the intermediate size in the Mamba layers.
    use_conv_bias (`bool`, *optional*, defaults to `True`):
        Whether or not to use bias in the convolution layer of the Mamba mixer block.
    chunk_size (`int`, *optional*, defaults to 128):
        Size of the chunks that will comprise the sequence in the Mamba layers.
    mamba_ssm_cache_dtype (`str`, *optional*, defaults to `"float32"`):
        Data type for Mamba SSM cache states.
    moe_shared_expert_intermediate_size (`int`, *optional*, defaults to 7688):
        Dimension of the MLP representations in shared experts.
    moe_latent_size (`int`, *optional*):
        Latent size for MoE expert projections. If `None`, uses `hidden_size`.
    moe_shared_expert_overlap (`bool`, *optional*, defaults to `True`):
        Whether shared experts overlap with routed experts.
    n_group (`int`, *optional*, defaults to 1):
        Number of groups for expert routing.
    num_nextn_predict_layers (`int`, *optional*, defaults to 0):
        Number of additional layers for multi-token prediction. If 0, multi-token prediction is disabled.
    mtp_layers_block_type (`list`, *optional*, defaults to `['full_attention', 'moe']`):
        Explicit list of layer types for multi-token prediction layers when `num_nextn_predict_layers` > 0.
    use_bias (`bool`, *optional*, defaults to `False`):
        Whether to use bias in the model.
    residual_in_fp32 (`bool`, *optional*, defaults to `False`):
        Whether or not residuals should be in `float32`.
    rescale_prenorm_residual (`bool`, *optional*, defaults to `True`):
        Whether to rescale the pre-normalization residual connections.
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
    >>> from generated.quality_gate_nemotron_h import QualityGateNemotronHConfig, QualityGateNemotronHForCausalLM

    >>> model = QualityGateNemotronHForCausalLM(QualityGateNemotronHConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_nemotron_h"
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


class QualityGateNemotronHOutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateNemotronHModelOutputWithPast(QualityGateNemotronHOutput, MoeModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateNemotronHCausalLMOutputWithPast(QualityGateNemotronHOutput, MoeCausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


class QualityGateNemotronHGate(QualityGateLlamaGate):
    pass


class QualityGateNemotronHTopkRouter(NemotronHTopkRouter):
    pass


class QualityGateNemotronHAttention(NemotronHAttention):
    pass


class QualityGateNemotronHBlock(NemotronHBlock):
    def __init__(self, config: QualityGateNemotronHConfig, layer_idx):
        super().__init__(config, layer_idx)
        if self.block_type not in ("linear_attention", "full_attention"):
            self.quality_gate = QualityGateNemotronHGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        hidden_states,
        past_key_values: Cache | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        use_cache: bool | None = False,
        output_quality_logits: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ):
        residual = hidden_states
        hidden_states = self.norm(hidden_states.to(dtype=self.norm.weight.dtype))

        if self.block_type == "linear_attention":
            hidden_states = self.mixer(
                hidden_states,
                cache_params=past_key_values,
                attention_mask=attention_mask,
                **kwargs,
            )
        elif self.block_type == "full_attention":
            hidden_states, _ = self.mixer(
                hidden_states=hidden_states,
                past_key_values=past_key_values,
                attention_mask=attention_mask,
                position_ids=position_ids,
                use_cache=use_cache,
                **kwargs,
            )
        else:
            if output_quality_logits or self.scale_ffn:
                _, good_ratio = self.quality_gate(hidden_states)
            hidden_states = self.mixer(hidden_states)
            if self.scale_ffn:
                hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states

        hidden_states = residual + hidden_states

        return hidden_states


class QualityGateNemotronHPreTrainedModel(NemotronHPreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = [
        "e_score_correction_bias",
        "quality_gate",
    ]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "hidden_states": QualityGateNemotronHBlock,
        "attentions": QualityGateNemotronHAttention,
        "router_logits": OutputRecorder(QualityGateNemotronHTopkRouter, index=0),
        "quality_logits": OutputRecorder(QualityGateNemotronHGate, index=0),
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateNemotronHConfig, *inputs, **kwargs):
        check_quality_gate_config(config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), QualityGateNemotronHModel, exist_ok=True)
        # Checkpoints of the base hold weights in another form than the model
        for ours, base in (("quality_gate_nemotron_h", "nemotron_h"),):
            names = get_checkpoint_conversion_mapping(base)
            register_checkpoint_conversion_mapping(ours, names, overwrite=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)


class QualityGateNemotronHModel(NemotronHModel):
    _tp_plan = {"layers.*.quality_gate.gate": "replicate"}

    @returns_quality_scores(QualityGateNemotronHModelOutputWithPast)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


class QualityGateNemotronHForCausalLM(NemotronHForCausalLM):
    @returns_quality_scores(QualityGateNemotronHCausalLMOutputWithPast)
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
    "QualityGateNemotronHConfig",
    "QualityGateNemotronHPreTrainedModel",
    "QualityGateNemotronHModel",
    "QualityGateNemotronHForCausalLM",
    "quality_classification_loss",
]
