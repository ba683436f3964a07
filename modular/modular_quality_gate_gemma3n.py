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
"""Gemma3n with a quality gate on the input of every feed-forward network."""

import math
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
from transformers.cache_utils import Cache, KVSharingDict
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.gemma3n.configuration_gemma3n import (
    Gemma3nAudioConfig,
    Gemma3nConfig,
    Gemma3nTextConfig,
    Gemma3nVisionConfig,
)
from transformers.models.gemma3n.modeling_gemma3n import (
    Gemma3nForCausalLM,
    Gemma3nPreTrainedModel,
    Gemma3nTextAttention,
    Gemma3nTextDecoderLayer,
    Gemma3nTextModel,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="google/gemma-3n-E4B")
@strict
class QualityGateGemma3nTextConfig(Gemma3nTextConfig):
    r"""
    vocab_size_per_layer_input (`int`, *optional*, defaults to 262144):
        Vocabulary size of the per-layer text embeddings that augment the standard embeddings.
    hidden_size_per_layer_input (`int`, *optional*, defaults to 256):
        Dimension of the hidden representations for per-layer embeddings.
    altup_active_idx (`int`, *optional*, defaults to 0):
        The index of the prediction from which AltUp will compute additional predictions or correct the active prediction.
    altup_coef_clip (`float`, *optional*, defaults to 120.0):
        The maximum amplitude of an AltUp prediction or correction coefficient weight.
    altup_correct_scale (`bool`, *optional*, defaults to `True`):
        If True, apply the `AltUp.correct_output_scale` to the corrected prediction at `altup_active_idx`.
    altup_num_inputs (`int`, *optional*, defaults to 4):
        The number of predictions that AltUp should make given the input sequence.
    num_kv_shared_layers (`int`, *optional*, defaults to 15):
        The number of layers that share KV cache values. During the forward pass, the last `num_kv_shared_layers`
        layers in the model "share" the KV values in that each local and global layer in this range uses the KV
        cache values computed for the last local or global layer, respectively, before entering this range. The
        value should be a multiple of the attention pattern size (see `layer_types` parameter).
    laurel_rank (`int`, *optional*, defaults to 64):
        The intermediate size for the linear projections in the Learned Augmented Residual Layer.
    activation_sparsity_pattern (`Sequence[float]`, *optional*):
        The sparsity factor used to extract the top-k activations for a given layer. The provided Sequence must
        explicitly provide a sparsity value for each layer in the model. By default, the first 10 layers are
        sparse with a sparsity factor of 0.95 and the rest are dense.
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
    >>> from generated.quality_gate_gemma3n import QualityGateGemma3nTextConfig, QualityGateGemma3nForCausalLM

    >>> model = QualityGateGemma3nForCausalLM(QualityGateGemma3nTextConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_gemma3n_text"
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


class QualityGateGemma3nAudioConfig(Gemma3nAudioConfig):
    pass


class QualityGateGemma3nVisionConfig(Gemma3nVisionConfig):
    pass


class QualityGateGemma3nConfig(Gemma3nConfig):
    pass


class QualityGateGemma3nOutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateGemma3nModelOutputWithPast(QualityGateGemma3nOutput, BaseModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateGemma3nCausalLMOutputWithPast(QualityGateGemma3nOutput, CausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


class QualityGateGemma3nGate(QualityGateLlamaGate):
    pass


class QualityGateGemma3nTextAttention(Gemma3nTextAttention):
    pass


class QualityGateGemma3nTextDecoderLayer(Gemma3nTextDecoderLayer):
    def __init__(self, config: QualityGateGemma3nTextConfig, layer_idx: int):
        super().__init__(config, layer_idx)
        self.quality_gate = QualityGateGemma3nGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: torch.Tensor | None = None,
        per_layer_input: torch.Tensor | None = None,
        shared_kv_states: KVSharingDict | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        output_quality_logits: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:
        predictions = self.altup.predict(hidden_states)
        active_prediction = predictions[self.config.altup_active_idx]

        active_prediction_normed = self.input_layernorm(active_prediction)
        laurel_output = self.laurel(active_prediction_normed)

        attn, _ = self.self_attn(
            hidden_states=active_prediction_normed,
            attention_mask=attention_mask,
            shared_kv_states=shared_kv_states,
            position_ids=position_ids,
            position_embeddings=position_embeddings,
            past_key_values=past_key_values,
            **kwargs,
        )
        attn = self.post_attention_layernorm(attn)

        attn_gated = active_prediction + attn
        attn_laurel = (attn_gated + laurel_output) / math.sqrt(2)

        attn_norm = self.pre_feedforward_layernorm(attn_laurel)
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(attn_norm)
        attn_ffw = self.mlp(attn_norm)
        attn_ffw_norm = self.post_feedforward_layernorm(attn_ffw)
        if self.scale_ffn:  # after the norm, which would undo it
            attn_ffw_norm = good_ratio.to(attn_ffw_norm.dtype) * attn_ffw_norm
        attn_ffw_laurel_gated = attn_laurel + attn_ffw_norm
        corrected_predictions = self.altup.correct(predictions, attn_ffw_laurel_gated)

        first_prediction = corrected_predictions[self.config.altup_active_idx].clone()
        if self.config.altup_correct_scale:
            first_prediction = self.altup.scale_corrected_output(first_prediction)

        # per_layer_input_gate adapted from jax.numpy.einsum("btd,dp->btp", ...)
        first_prediction = self.per_layer_input_gate(first_prediction)
        first_prediction = self.act_fn(first_prediction)
        first_prediction = torch.multiply(first_prediction, per_layer_input)

        # per_layer_projection adapted from jax.numpy.einsum("btp,pd->btd", ...)
        first_prediction = self.per_layer_projection(first_prediction)
        first_prediction = self.post_per_layer_input_norm(first_prediction)
        corrected_predictions[1:] += first_prediction

        return corrected_predictions


class QualityGateGemma3nPreTrainedModel(Gemma3nPreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "hidden_states": QualityGateGemma3nTextDecoderLayer,
        "attentions": QualityGateGemma3nTextAttention,
        "quality_logits": OutputRecorder(QualityGateGemma3nGate, index=0),
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateGemma3nTextConfig, *inputs, **kwargs):
        if isinstance(config, QualityGateGemma3nTextConfig):  # models of images or sound beside it have no gates
            check_quality_gate_config(config)
            # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
            AutoModel._model_mapping.register(type(config), QualityGateGemma3nTextModel, exist_ok=True)
        # Checkpoints of the base hold weights in another form than the model
        for ours, base in (("quality_gate_gemma3n_text", "gemma3n_text"),):
            names = get_checkpoint_conversion_mapping(base)
            register_checkpoint_conversion_mapping(ours, names, overwrite=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)

    def _initialize_weights(self, module, is_custom_code: bool = False):
        PreTrainedModel._initialize_weights(self, module)  # models, too, which custom code would pass over


class QualityGateGemma3nTextModel(Gemma3nTextModel):
    _tp_plan = {"layers.*.quality_gate.gate": "replicate"}

    @returns_quality_scores(QualityGateGemma3nModelOutputWithPast)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


class QualityGateGemma3nForCausalLM(Gemma3nForCausalLM):
    @returns_quality_scores(QualityGateGemma3nCausalLMOutputWithPast)
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
    "QualityGateGemma3nTextConfig",
    "QualityGateGemma3nPreTrainedModel",
    "QualityGateGemma3nTextModel",
    "QualityGateGemma3nForCausalLM",
    "quality_classification_loss",
]
