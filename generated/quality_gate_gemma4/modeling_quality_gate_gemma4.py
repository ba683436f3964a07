# Generated from modular/modular_quality_gate_gemma4.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_gemma4`.
# Seal: sha256 9157131d7a280da7c6ab8d91877b355113b551835599e613cdd45f82c5ff7d65
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

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache, KVSharingDict
from transformers.configuration_utils import PreTrainedConfig
from transformers.generation import GenerationMixin
from transformers.integrations import use_experts_implementation
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask, create_sliding_window_causal_mask
from transformers.modeling_flash_attention_utils import FlashAttentionKwargs
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    BaseModelOutputWithPooling,
    MultimodalCausalLMOutputWithPast,
)
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS, dynamic_rope_update
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel, slice_logits_to_keep
from transformers.models.auto import AutoModel
from transformers.processing_utils import Unpack
from transformers.utils import (
    ModelOutput,
    TransformersKwargs,
    auto_docstring,
    can_return_tuple,
    is_accelerate_available,
    logging,
)
from transformers.utils.deprecation import deprecate_kwarg
from transformers.utils.generic import is_flash_attention_requested, maybe_autocast, merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .configuration_quality_gate_gemma4 import (
    QualityGateGemma4AudioConfig,
    QualityGateGemma4Config,
    QualityGateGemma4TextConfig,
    QualityGateGemma4VisionConfig,
)


if is_accelerate_available():
    from accelerate.hooks import add_hook_to_module


logger = logging.get_logger(__name__)


@auto_docstring
@dataclass
class QualityGateGemma4TextModelOutputWithPast(BaseModelOutputWithPast):
    r"""
    shared_kv_states (`KVSharingDict`, *optional*):
        A dict-like container mapping layer type strings to tuples of (key_states, value_states) tensors.
        Used to pass shared KV states between layers during KV sharing.
    router_logits (`tuple(torch.Tensor)`, *optional*, returned when `output_router_logits=True` is passed):
        Tuple of `torch.Tensor` (one for each MoE layer) of shape `(batch_size * sequence_length, num_experts)`.
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

    shared_kv_states: KVSharingDict | None = None
    router_logits: tuple[torch.FloatTensor, ...] | None = None

    lm_loss: torch.FloatTensor | None = None
    quality_loss: torch.FloatTensor | None = None
    aux_loss: torch.FloatTensor | None = None
    quality_logits: tuple[torch.FloatTensor, ...] | None = None

    def keys(self) -> list[str]:
        """The names of the fields that are there; of a base model's output those that its base has as well.

        A model around a base model may unpack its output, `**outputs`, into a class of its own, which knows no scores.
        They are attributes and items of this output all the same, and part of it as a tuple.
        """
        names = list(self)
        if self.quality_logits is None or "last_hidden_state" not in names:
            return names
        added = {"quality_loss", "quality_logits"}
        if self.router_logits is self.quality_logits:
            added.add("router_logits")
        return [name for name in names if name not in added]

    def to_tuple(self) -> tuple[Any, ...]:
        """All fields that are there, the gates' among them."""
        return tuple(self.values())


@auto_docstring
@dataclass
class QualityGateGemma4CausalLMOutputWithPast(MultimodalCausalLMOutputWithPast):
    r"""
    shared_kv_states (`dict`, *optional*):
        Dictionary mapping layer type strings to tuples of (key_states, value_states) tensors.
        Used to pass shared KV states between layers during KV sharing.
    router_logits (`tuple(torch.Tensor)`, *optional*, returned when `output_router_logits=True` is passed):
        Tuple of `torch.Tensor` (one for each MoE layer) of shape `(batch_size * sequence_length, num_experts)`.
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

    shared_kv_states: KVSharingDict | None = None
    router_logits: tuple[torch.FloatTensor, ...] | None = None

    lm_loss: torch.FloatTensor | None = None
    quality_loss: torch.FloatTensor | None = None
    aux_loss: torch.FloatTensor | None = None
    quality_logits: tuple[torch.FloatTensor, ...] | None = None

    @property
    def image_hidden_states(self):
        logger.warning_once(
            "`image_hidden_states` is deprecated and will return a list of all hidden "
            "states per layer from v5.30; Use `out.image_outputs.pooler_output` to obtain pooled features."
        )
        return self.image_outputs.pooler_output

    @property
    def audio_hidden_states(self):
        logger.warning_once(
            "`audio_hidden_states` is deprecated and will return a list of all hidden "
            "states per layer from v5.30; Use `out.audio_outputs.pooler_output` to obtain pooled features."
        )
        return self.audio_outputs.pooler_output

    def keys(self) -> list[str]:
        """The names of the fields that are there; of a base model's output those that its base has as well.

        A model around a base model may unpack its output, `**outputs`, into a class of its own, which knows no scores.
        They are attributes and items of this output all the same, and part of it as a tuple.
        """
        names = list(self)
        if self.quality_logits is None or "last_hidden_state" not in names:
            return names
        added = {"quality_loss", "quality_logits"}
        if self.router_logits is self.quality_logits:
            added.add("router_logits")
        return [name for name in names if name not in added]

    def to_tuple(self) -> tuple[Any, ...]:
        """All fields that are there, the gates' among them."""
        return tuple(self.values())


class QualityGateGemma4Scores:
    """The scores of one call: whether it wants any, and each gate's `[batch, tokens, 1]`, in the order of the layers.

    `routers` is what the caller said of `output_router_logits`. A head names that argument, and does not hand it on.

    Layers hand it to their gates. No hook is involved, since transformers' own cannot be pickled and `torch.compile`
    cannot install them.
    """

    def __init__(self, asked: bool, routers: bool | None = None):
        self.asked = asked
        self.routers = routers
        self.logits: list[torch.Tensor] = []


class QualityGateGemma4Gate(nn.Module):
    """Scores how good the text up to each token is, by one linear map of the feed-forward network's normed input.

    Source: the Quality-Gate project, where it only observes; its sigmoid scales the experts in Select-MoE.
    """

    def __init__(self, config: QualityGateGemma4Config):
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, 1, bias=False, dtype=torch.float32)
        self.gate.scores_quality = True  # tells `_init_weights`, which for custom code sees no module without weights

    def forward(
        self, hidden_states: torch.Tensor, output_quality_logits: QualityGateGemma4Scores | bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`[batch, tokens, hidden_size]` to the score and its sigmoid, both `[batch, tokens, 1]` in float32.

        The score is added to those that `output_quality_logits` collects.
        """
        with maybe_autocast(hidden_states.device.type, enabled=False):
            quality_score = self.gate(hidden_states.to(self.gate.weight.dtype)).float()
            good_ratio = quality_score.sigmoid()
        if isinstance(output_quality_logits, QualityGateGemma4Scores):
            output_quality_logits.logits.append(quality_score)
        return quality_score, good_ratio


class QualityGateGemma4RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-6, with_scale: bool = True):
        super().__init__()
        self.eps = eps
        self.with_scale = with_scale

        if self.with_scale:
            self.weight = nn.Parameter(torch.ones(dim), requires_grad=True)

    def _norm(self, hidden_states: torch.Tensor):
        mean_squared = hidden_states.pow(2).mean(-1, keepdim=True) + self.eps
        # Use torch.pow() (over torch.sqrt() or torch.rsqrt()) to address compiler differences between Torch and JAX
        return hidden_states * torch.pow(mean_squared, -0.5)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        normed_output = self._norm(hidden_states.float())
        if self.with_scale:
            normed_output = normed_output * self.weight.float()
        return normed_output.type_as(hidden_states)


def rotate_half(x):
    """Rotates half the hidden dims of the input."""
    x1 = x[..., : x.shape[-1] // 2]
    x2 = x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


def apply_rotary_pos_emb(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, unsqueeze_dim: int = 1):
    """Applies Rotary Position Embedding to the query and key tensors.

    Args:
        x (`torch.Tensor`): The tensor to embed.
        cos (`torch.Tensor`): The cosine part of the rotary embedding.
        sin (`torch.Tensor`): The sine part of the rotary embedding.
        unsqueeze_dim (`int`, *optional*, defaults to 1):
            The 'unsqueeze_dim' argument specifies the dimension along which to unsqueeze cos[position_ids] and
            sin[position_ids] so that they can be properly broadcasted to the dimensions of q and k. For example, note
            that cos[position_ids] and sin[position_ids] have the shape [batch_size, seq_len, head_dim]. Then, if q and
            k have the shape [batch_size, heads, seq_len, head_dim], then setting unsqueeze_dim=1 makes
            cos[position_ids] and sin[position_ids] broadcastable to the shapes of q and k. Similarly, if q and k have
            the shape [batch_size, seq_len, heads, head_dim], then set unsqueeze_dim=2.
    Returns:
        `tuple(torch.Tensor)` comprising of the query and key tensors rotated using the Rotary Position Embedding.
    """
    cos = cos.unsqueeze(unsqueeze_dim)
    sin = sin.unsqueeze(unsqueeze_dim)
    return (x * cos) + (rotate_half(x) * sin)


def repeat_kv(hidden_states: torch.Tensor, n_rep: int) -> torch.Tensor:
    """
    This is the equivalent of torch.repeat_interleave(x, dim=1, repeats=n_rep). The hidden states go from (batch,
    num_key_value_heads, seqlen, head_dim) to (batch, num_attention_heads, seqlen, head_dim)
    """
    batch, num_key_value_heads, slen, head_dim = hidden_states.shape
    if n_rep == 1:
        return hidden_states
    hidden_states = hidden_states[:, :, None, :, :].expand(batch, num_key_value_heads, n_rep, slen, head_dim)
    return hidden_states.reshape(batch, num_key_value_heads * n_rep, slen, head_dim)


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float | int = 0.0,
    scaling: float | None = None,
    softcap: float | None = None,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor]:
    if scaling is None:
        scaling = module.head_dim**-0.5

    key_states = repeat_kv(key, module.num_key_value_groups)
    value_states = repeat_kv(value, module.num_key_value_groups)

    attn_weights = torch.matmul(query, key_states.transpose(2, 3)) * scaling

    if softcap is not None:
        attn_weights = attn_weights / softcap
        attn_weights = torch.tanh(attn_weights)
        attn_weights = attn_weights * softcap
    if attention_mask is not None:
        attn_weights = attn_weights + attention_mask

    # upcast attention to fp32
    attn_weights = nn.functional.softmax(attn_weights, dim=-1, dtype=torch.float32).to(query.dtype)
    attn_weights = nn.functional.dropout(attn_weights, p=dropout, training=module.training)
    attn_output = torch.matmul(attn_weights, value_states)
    attn_output = attn_output.transpose(1, 2).contiguous()
    return attn_output, attn_weights


class QualityGateGemma4TextAttention(nn.Module):
    """Multi-headed attention from 'Attention Is All You Need' paper"""

    def __init__(self, config: QualityGateGemma4TextConfig, layer_idx: int):
        super().__init__()
        self.layer_type = config.layer_types[layer_idx] if hasattr(config, "layer_types") else None
        self.config = config
        self.layer_idx = layer_idx
        self.is_sliding = self.layer_type == "sliding_attention"
        self.sliding_window = config.sliding_window if self.is_sliding else None

        layer_config = config.per_layer_config[layer_idx]
        self.head_dim = layer_config.head_dim
        self.use_alternative_attention = config.attention_k_eq_v and not self.is_sliding
        self.num_key_value_groups = config.num_attention_heads // layer_config.num_key_value_heads
        self.scaling = 1.0
        self.attention_dropout = self.config.attention_dropout
        self.is_causal = config.use_bidirectional_attention != "all"

        # Shared kv cache
        kv_sharing_mode = config.kv_sharing_modes[layer_idx]
        self.is_kv_shared_layer = kv_sharing_mode == "reuse"
        self.store_full_length_kv = kv_sharing_mode == "store"

        self.q_proj = nn.Linear(
            config.hidden_size, config.num_attention_heads * self.head_dim, bias=config.attention_bias
        )
        self.q_norm = QualityGateGemma4RMSNorm(dim=self.head_dim, eps=config.rms_norm_eps)

        # Layers sharing kv states don't need any weight matrices
        if not self.is_kv_shared_layer:
            self.k_norm = QualityGateGemma4RMSNorm(dim=self.head_dim, eps=config.rms_norm_eps)
            self.v_norm = QualityGateGemma4RMSNorm(self.head_dim, eps=config.rms_norm_eps, with_scale=False)

            self.k_proj = nn.Linear(
                config.hidden_size, layer_config.num_key_value_heads * self.head_dim, bias=config.attention_bias
            )
            self.v_proj = (
                nn.Linear(
                    config.hidden_size, layer_config.num_key_value_heads * self.head_dim, bias=config.attention_bias
                )
                if not self.use_alternative_attention
                else None
            )

        self.o_proj = nn.Linear(
            config.num_attention_heads * self.head_dim, config.hidden_size, bias=config.attention_bias
        )

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: torch.Tensor,
        attention_mask: torch.Tensor | None,
        shared_kv_states: KVSharingDict,
        cache: Cache | None = None,
        **kwargs: Unpack[FlashAttentionKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        input_shape = hidden_states.shape[:-1]
        hidden_shape = (*input_shape, -1, self.head_dim)

        cos, sin = position_embeddings

        query_states = self.q_proj(hidden_states).view(hidden_shape)
        query_states = self.q_norm(query_states)
        query_states = apply_rotary_pos_emb(query_states, cos, sin, unsqueeze_dim=2)
        query_states = query_states.transpose(1, 2)

        # For layers with shared KV (from kv sharing point onwards), we reuse the same keys/values states as the last non-sharing layer.
        # We cannot simply reuse the cached state if we have a Cache, as sliding layers will not remember the full states in their Cache
        # once we are past the sliding window - so we always use `shared_kv_states` instead, even when cache is not None
        if self.is_kv_shared_layer:
            key_states, value_states = shared_kv_states[self.layer_type]

        else:
            key_states = self.k_proj(hidden_states).view(hidden_shape)
            value_states = self.v_proj(hidden_states).view(hidden_shape) if self.v_proj is not None else key_states

            key_states = self.k_norm(key_states)
            key_states = apply_rotary_pos_emb(key_states, cos, sin, unsqueeze_dim=2)
            key_states = key_states.transpose(1, 2)

            value_states = self.v_norm(value_states)
            value_states = value_states.transpose(1, 2)

            if cache is not None:
                key_states, value_states = cache.update(key_states, value_states, self.layer_idx, kwargs=kwargs)

        if self.store_full_length_kv:
            shared_kv_states[self.layer_type] = key_states, value_states

        attention_interface: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )

        attn_output, attn_weights = attention_interface(
            self,
            query_states,
            key_states,
            value_states,
            attention_mask,
            dropout=self.attention_dropout if self.training else 0.0,
            scaling=self.scaling,
            sliding_window=self.sliding_window,
            **kwargs,
        )

        attn_output = attn_output.reshape(*input_shape, -1).contiguous()
        attn_output = self.o_proj(attn_output)
        return attn_output, attn_weights


class QualityGateGemma4TextRouter(nn.Module):
    def __init__(self, config: QualityGateGemma4TextConfig):
        super().__init__()
        self.config = config
        self.hidden_size = config.hidden_size
        self.scalar_root_size = self.hidden_size**-0.5
        self.eps = config.rms_norm_eps

        self.norm = QualityGateGemma4RMSNorm(self.hidden_size, eps=self.eps, with_scale=False)
        self.proj = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.scale = nn.Parameter(torch.ones(self.hidden_size))
        self.per_expert_scale = nn.Parameter(torch.ones(config.num_experts))

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden_states = self.norm(hidden_states)
        hidden_states = hidden_states * self.scale * self.scalar_root_size

        expert_scores = self.proj(hidden_states)  # [B*S, E]
        # fp32 for numerical stability
        router_probabilities = nn.functional.softmax(expert_scores, dim=-1, dtype=torch.float32)

        # topk returns both values (probabilities) and indices directly
        top_k_weights, top_k_index = torch.topk(
            router_probabilities,
            k=self.config.top_k_experts,
            dim=-1,
        )  # both [B*S, K]

        # Normalize the top-k weights so they sum to 1 per token
        top_k_weights /= top_k_weights.sum(dim=-1, keepdim=True)

        # Apply per-expert scale directly to the weights
        top_k_weights = top_k_weights * self.per_expert_scale[top_k_index]

        return router_probabilities, top_k_weights, top_k_index


class QualityGateGemma4TextMLP(nn.Module):
    def __init__(self, config: QualityGateGemma4TextConfig, layer_idx: int):
        super().__init__()
        kv_sharing_mode = config.kv_sharing_modes[layer_idx]
        is_kv_shared_layer = kv_sharing_mode == "reuse"
        use_double_wide_mlp = config.use_double_wide_mlp and is_kv_shared_layer
        self.config = config
        self.hidden_size = config.hidden_size
        self.intermediate_size = config.intermediate_size * (2 if use_double_wide_mlp else 1)
        self.gate_proj = nn.Linear(self.hidden_size, self.intermediate_size, bias=False)
        self.up_proj = nn.Linear(self.hidden_size, self.intermediate_size, bias=False)
        self.down_proj = nn.Linear(self.intermediate_size, self.hidden_size, bias=False)
        self.act_fn = ACT2FN[config.hidden_activation]

    def forward(self, x):
        down_proj = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))
        return down_proj


@use_experts_implementation
class QualityGateGemma4TextExperts(nn.Module):
    """Collection of expert weights stored as 3D tensors."""

    def __init__(self, config: QualityGateGemma4TextConfig):
        super().__init__()
        self.num_experts = config.num_experts
        self.hidden_dim = config.hidden_size
        self.intermediate_dim = config.moe_intermediate_size
        self.gate_up_proj = nn.Parameter(torch.empty(self.num_experts, 2 * self.intermediate_dim, self.hidden_dim))
        self.down_proj = nn.Parameter(torch.empty(self.num_experts, self.hidden_dim, self.intermediate_dim))
        self.act_fn = ACT2FN[config.hidden_activation]

    def forward(
        self,
        hidden_states: torch.Tensor,
        top_k_index: torch.Tensor,
        top_k_weights: torch.Tensor,
    ) -> torch.Tensor:
        final_hidden_states = torch.zeros_like(hidden_states)
        with torch.no_grad():
            expert_mask = torch.nn.functional.one_hot(top_k_index, num_classes=self.num_experts + 1)
            expert_mask = expert_mask.permute(2, 1, 0)
            expert_hit = torch.greater(expert_mask.sum(dim=(-1, -2)), 0).nonzero()

        for expert_idx in expert_hit:
            expert_idx = expert_idx[0]
            if expert_idx == self.num_experts:
                continue
            top_k_pos, token_idx = torch.where(expert_mask[expert_idx])
            current_state = hidden_states[token_idx]
            gate, up = nn.functional.linear(current_state, self.gate_up_proj[expert_idx]).chunk(2, dim=-1)
            current_hidden_states = self.act_fn(gate) * up
            current_hidden_states = nn.functional.linear(current_hidden_states, self.down_proj[expert_idx])
            current_hidden_states = current_hidden_states * top_k_weights[token_idx, top_k_pos, None]
            final_hidden_states.index_add_(0, token_idx, current_hidden_states.to(final_hidden_states.dtype))

        return final_hidden_states


class QualityGateGemma4TextDecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: QualityGateGemma4TextConfig, layer_idx: int):
        super().__init__()
        self.config = config
        self.hidden_size = config.hidden_size
        self.layer_idx = layer_idx
        self.self_attn = QualityGateGemma4TextAttention(config=config, layer_idx=layer_idx)
        self.mlp = QualityGateGemma4TextMLP(config, layer_idx)
        self.input_layernorm = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
        self.pre_feedforward_layernorm = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
        self.post_feedforward_layernorm = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
        self.layer_scalar = nn.Buffer(torch.ones(1))

        self.hidden_size_per_layer_input = config.hidden_size_per_layer_input
        if self.hidden_size_per_layer_input:
            self.act_fn = ACT2FN[config.hidden_activation]
            self.per_layer_input_gate = nn.Linear(self.hidden_size, self.hidden_size_per_layer_input, bias=False)
            self.per_layer_projection = nn.Linear(self.hidden_size_per_layer_input, self.hidden_size, bias=False)
            self.post_per_layer_input_norm = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)

        self.enable_moe_block = config.enable_moe_block
        if self.enable_moe_block:
            self.router = QualityGateGemma4TextRouter(config)
            self.experts = QualityGateGemma4TextExperts(config)
            self.post_feedforward_layernorm_1 = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
            self.post_feedforward_layernorm_2 = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
            self.pre_feedforward_layernorm_2 = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
        self.quality_gate = QualityGateGemma4Gate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        per_layer_input: torch.Tensor | None = None,
        shared_kv_states: KVSharingDict | dict[str, tuple[torch.Tensor, torch.Tensor]] | None = None,
        position_embeddings: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        output_quality_logits: bool = False,
        **kwargs,
    ) -> torch.Tensor:
        residual = hidden_states

        hidden_states = self.input_layernorm(hidden_states)
        hidden_states, _ = self.self_attn(
            hidden_states=hidden_states,
            position_embeddings=position_embeddings,
            attention_mask=attention_mask,
            shared_kv_states=shared_kv_states,
            position_ids=position_ids,
            cache=cache,
            **kwargs,
        )
        hidden_states = self.post_attention_layernorm(hidden_states)
        hidden_states = residual + hidden_states

        residual = hidden_states
        hidden_states = self.pre_feedforward_layernorm(hidden_states)
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(hidden_states, output_quality_logits)
        hidden_states = self.mlp(hidden_states)

        if self.enable_moe_block:
            hidden_states_1 = self.post_feedforward_layernorm_1(hidden_states)

            # Take hidden states before MLP here
            hidden_states_flat = residual.reshape(-1, residual.shape[-1])
            _, top_k_weights, top_k_index = self.router(hidden_states_flat)
            hidden_states_2 = self.pre_feedforward_layernorm_2(hidden_states_flat)
            hidden_states_2 = self.experts(hidden_states_2, top_k_index, top_k_weights)
            hidden_states_2 = hidden_states_2.reshape(residual.shape)
            hidden_states_2 = self.post_feedforward_layernorm_2(hidden_states_2)

            # Combine mlp and moe outputs
            hidden_states = hidden_states_1 + hidden_states_2

        hidden_states = self.post_feedforward_layernorm(hidden_states)
        if self.scale_ffn:  # after the norm, which would undo it
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states
        hidden_states = residual + hidden_states

        if self.hidden_size_per_layer_input:
            residual = hidden_states
            hidden_states = self.per_layer_input_gate(hidden_states)
            hidden_states = self.act_fn(hidden_states)
            hidden_states = hidden_states * per_layer_input
            hidden_states = self.per_layer_projection(hidden_states)
            hidden_states = self.post_per_layer_input_norm(hidden_states)
            hidden_states = residual + hidden_states

        hidden_states *= self.layer_scalar
        return hidden_states


class QualityGateGemma4ClippableLinear(nn.Module):
    def __init__(
        self,
        config: QualityGateGemma4VisionConfig | QualityGateGemma4AudioConfig,
        in_features: int,
        out_features: int,
    ) -> None:
        super().__init__()
        self.use_clipped_linears = config.use_clipped_linears
        self.linear = nn.Linear(in_features, out_features, bias=False)

        if self.use_clipped_linears:
            self.input_min = nn.Buffer(torch.tensor(-float("inf")))
            self.input_max = nn.Buffer(torch.tensor(float("inf")))
            self.output_min = nn.Buffer(torch.tensor(-float("inf")))
            self.output_max = nn.Buffer(torch.tensor(float("inf")))

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        if self.use_clipped_linears:
            hidden_states = torch.clamp(hidden_states, self.input_min, self.input_max)

        hidden_states = self.linear(hidden_states)

        if self.use_clipped_linears:
            hidden_states = torch.clamp(hidden_states, self.output_min, self.output_max)

        return hidden_states


class QualityGateGemma4AudioRelPositionalEncoding(nn.Module):
    """Sinusoidal relative positional encoding for the audio encoder.

    Produces position embeddings of shape [1, context_size // 2 + 1, hidden_size] with
    concatenated [sin..., cos...] layout matching the original QualityGateGemma4 convention.
    """

    inv_timescales: torch.Tensor

    def __init__(self, config: QualityGateGemma4AudioConfig):
        super().__init__()
        self.hidden_size = config.hidden_size
        self.context_size = (
            config.attention_chunk_size + config.attention_context_left - 1 + config.attention_context_right
        )
        min_timescale = 1.0
        max_timescale = 10000.0
        num_timescales = self.hidden_size // 2
        log_timescale_increment = math.log(max_timescale / min_timescale) / max(num_timescales - 1, 1)
        inv_timescales = min_timescale * torch.exp(torch.arange(num_timescales) * -log_timescale_increment)
        self.inv_timescales = nn.Buffer(inv_timescales.unsqueeze(0).unsqueeze(0), persistent=False)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        position_ids = torch.arange(self.context_size // 2, -1, -1, device=hidden_states.device)
        position_ids = position_ids[..., None]
        scaled_time = position_ids * self.inv_timescales.to(device=hidden_states.device)
        pos_embed = torch.cat([torch.sin(scaled_time), torch.cos(scaled_time)], dim=-1)
        return pos_embed.to(dtype=hidden_states.dtype)


class QualityGateGemma4AudioAttention(nn.Module):
    """Chunked local attention with relative position bias"""

    def __init__(self, config: QualityGateGemma4AudioConfig, layer_idx: int):
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.attention_logits_soft_cap = config.attention_logit_cap
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.num_heads = config.num_attention_heads

        self.q_scale = (self.head_dim**-0.5) / math.log(2)
        self.k_scale = math.log(1 + math.e) / math.log(2)

        self.chunk_size = config.attention_chunk_size
        self.max_past_horizon = config.attention_context_left - 1
        self.max_future_horizon = config.attention_context_right
        self.context_size = self.chunk_size + self.max_past_horizon + self.max_future_horizon

        self.q_proj = QualityGateGemma4ClippableLinear(config, config.hidden_size, self.num_heads * self.head_dim)
        self.k_proj = QualityGateGemma4ClippableLinear(config, config.hidden_size, self.num_heads * self.head_dim)
        self.v_proj = QualityGateGemma4ClippableLinear(config, config.hidden_size, self.num_heads * self.head_dim)
        self.post = QualityGateGemma4ClippableLinear(config, config.hidden_size, config.hidden_size)

        self.relative_k_proj = nn.Linear(config.hidden_size, self.num_heads * self.head_dim, bias=False)
        self.per_dim_scale = nn.Parameter(torch.zeros(self.head_dim))

        self.softcap = nn.Buffer(torch.tensor(self.attention_logits_soft_cap), persistent=False)

    def _convert_to_block(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Splits a `(batch_size, seq_len, num_heads, head_dim)` tensor into non-overlapping blocks of `chunk_size` along the sequence dim."""
        batch_size, seq_len, num_heads, head_dim = hidden_states.shape
        num_blocks = (seq_len + self.chunk_size - 1) // self.chunk_size
        pad = num_blocks * self.chunk_size - seq_len
        hidden_states = F.pad(hidden_states, (0, 0, 0, 0, 0, pad))
        return hidden_states.reshape(batch_size, num_blocks, self.chunk_size, num_heads, head_dim).contiguous()

    def _extract_block_context(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Extracts overlapping context windows of `context_size` for every block, strided by `chunk_size`."""
        batch_size, seq_len, num_heads, head_dim = hidden_states.shape
        hidden_states = F.pad(
            hidden_states, (0, 0, 0, 0, self.max_past_horizon, self.max_future_horizon + self.chunk_size - 1)
        )
        hidden_states = hidden_states.unfold(1, self.context_size, self.chunk_size)
        hidden_states = torch.movedim(hidden_states, -1, 2)
        return hidden_states.contiguous()

    def _rel_shift(self, x: torch.Tensor) -> torch.Tensor:
        """Relative position shift for blocked attention. See appendix B of https://huggingface.co/papers/1901.02860."""
        batch_size, num_heads, num_blocks, block_size, position_length = x.shape
        context_size = self.context_size
        x = F.pad(x, (0, context_size + 1 - position_length))
        x = x.view(batch_size, num_heads, num_blocks, block_size * (context_size + 1))
        x = x[..., : block_size * context_size]
        return x.view(batch_size, num_heads, num_blocks, block_size, context_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, None]:
        batch_size, seq_length, _ = hidden_states.shape
        hidden_shape = (batch_size, seq_length, self.num_heads, self.head_dim)

        query_states = self.q_proj(hidden_states).float().view(hidden_shape)
        key_states = self.k_proj(hidden_states).float().view(hidden_shape)
        value_states = self.v_proj(hidden_states).float().view(hidden_shape)

        query_states = query_states * self.q_scale * F.softplus(self.per_dim_scale)
        key_states = key_states * self.k_scale

        query_states = self._convert_to_block(query_states)
        key_states = self._extract_block_context(key_states)
        value_states = self._extract_block_context(value_states)
        num_blocks = query_states.shape[1]

        relative_key_states = self.relative_k_proj(position_embeddings)
        relative_key_states = relative_key_states.view(-1, self.num_heads, self.head_dim)
        relative_key_states = relative_key_states.to(dtype=query_states.dtype)

        queries = query_states.permute(0, 3, 1, 2, 4)
        matrix_ac = queries @ key_states.permute(0, 3, 1, 4, 2)

        queries_flat = queries.reshape(batch_size, self.num_heads, -1, self.head_dim)
        matrix_bd = queries_flat @ relative_key_states.permute(1, 2, 0)
        matrix_bd = matrix_bd.reshape(batch_size, self.num_heads, num_blocks, self.chunk_size, -1)
        matrix_bd = self._rel_shift(matrix_bd)

        attn_weights = matrix_ac + matrix_bd
        attn_weights = attn_weights / self.softcap
        attn_weights = torch.tanh(attn_weights)
        attn_weights = attn_weights * self.softcap

        if attention_mask is not None:
            attn_weights = attn_weights.masked_fill(attention_mask != 0, self.config.attention_invalid_logits_value)

        attn_weights = F.softmax(attn_weights, dim=-1, dtype=torch.float32).to(value_states.dtype)
        attn_output = attn_weights @ value_states.permute(0, 3, 1, 2, 4)
        attn_output = attn_output.permute(0, 2, 3, 1, 4).reshape(batch_size, num_blocks * self.chunk_size, -1)
        attn_output = attn_output[:, :seq_length].contiguous()
        attn_output = self.post(attn_output.to(hidden_states.dtype))

        return attn_output, attn_weights


# ---- Vision Encoder Layers ----


class QualityGateGemma4VisionPatchEmbedder(nn.Module):
    def __init__(self, config: QualityGateGemma4VisionConfig):
        super().__init__()
        self.config = config
        self.hidden_size = config.hidden_size
        self.patch_size = config.patch_size
        self.position_embedding_size = config.position_embedding_size

        self.input_proj = nn.Linear(3 * self.patch_size**2, self.hidden_size, bias=False)
        self.position_embedding_table = nn.Parameter(torch.ones(2, self.position_embedding_size, self.hidden_size))

    def _position_embeddings(self, pixel_position_ids: torch.Tensor, padding_positions: torch.Tensor) -> torch.Tensor:
        """Compute 2-D patch position embeddings via embedding lookup.

        ``pixel_position_ids`` has shape ``(batch, num_patches, 2)`` where the
        last dimension holds (x, y) indices into ``position_embedding_table``
        (shape ``(2, position_embedding_size, hidden_size)``).  The result is the
        sum of the x- and y-embeddings for each patch.
        """
        # Clamp only the lower bound: negative values encode padding and must be
        # mapped to a valid index before lookup (padding embeddings are zeroed
        # out unconditionally below).  Valid positions are always in-range by
        # construction, so no upper-bound clamping is needed.
        clamped_positions = pixel_position_ids.clamp(min=0)
        # position_embedding_table: (2, position_embedding_size, hidden_size)
        # clamped_positions[..., 0]: (batch, num_patches) — x indices
        # clamped_positions[..., 1]: (batch, num_patches) — y indices
        x_emb = F.embedding(clamped_positions[..., 0], self.position_embedding_table[0])
        y_emb = F.embedding(clamped_positions[..., 1], self.position_embedding_table[1])
        position_embeddings = x_emb + y_emb
        position_embeddings = torch.where(padding_positions.unsqueeze(-1), 0.0, position_embeddings)
        return position_embeddings

    def forward(
        self, pixel_values: torch.Tensor, pixel_position_ids: torch.Tensor, padding_positions: torch.Tensor
    ) -> torch.Tensor:
        # QualityGateGemma4 applies no normalization and instead scales in model code
        pixel_values = 2 * (pixel_values - 0.5)
        if (target_dtype := self.input_proj.weight.dtype).is_floating_point:
            pixel_values = pixel_values.to(target_dtype)
        hidden_states = self.input_proj(pixel_values)
        position_embeddings = self._position_embeddings(pixel_position_ids, padding_positions)
        return hidden_states + position_embeddings


class QualityGateGemma4TextRotaryEmbedding(nn.Module):
    def __init__(self, config: QualityGateGemma4TextConfig, device=None):
        super().__init__()
        self.max_seq_len_cached = config.max_position_embeddings
        self.original_max_seq_len = config.max_position_embeddings

        self.config = config
        self.layer_types = sorted(set(config.layer_types))
        self.rope_init_fns: dict[str, Callable[..., tuple[torch.Tensor, float]]] = {}
        self.rope_type: dict[str, str] = {}

        for layer_type in self.layer_types:
            rope_params = self.config.rope_parameters[layer_type]
            if rope_params is None:
                continue

            if (rope_type := rope_params["rope_type"]) != "default":
                rope_init_fn = ROPE_INIT_FUNCTIONS[rope_type]
            else:
                rope_init_fn = self.compute_default_rope_parameters

            self.rope_init_fns[layer_type] = rope_init_fn
            self.rope_type[layer_type] = rope_type

            # `inv_freq` depends on the head dim, which varies by layer type, so initialise
            # from a config resolved for this layer type rather than the global one.
            rope_config = config.per_layer_config[layer_type]
            curr_inv_freq, curr_attention_scaling = rope_init_fn(rope_config, device, layer_type=layer_type)
            setattr(self, f"{layer_type}_inv_freq", nn.Buffer(curr_inv_freq, persistent=False))
            setattr(self, f"{layer_type}_original_inv_freq", nn.Buffer(curr_inv_freq.clone(), persistent=False))
            setattr(self, f"{layer_type}_attention_scaling", curr_attention_scaling)

    @staticmethod
    def compute_default_rope_parameters(
        config: QualityGateGemma4TextConfig, device=None, layer_type: str | None = None, **kwargs
    ) -> tuple[torch.Tensor, float]:
        """
        Computes the inverse frequencies according to the original RoPE implementation
        Args:
            config ([`~transformers.PreTrainedConfig`]):
                The model configuration.
            layer_type (`str`):
                The current layer type if the model has different RoPE parameters per type.
                Should not be used unless `config.layer_types is not None`

        Returns:
            Tuple of (`torch.Tensor`, `float`), containing the inverse frequencies for the RoPE embeddings and the
            post-processing scaling factor applied to the computed cos/sin (unused in this type of RoPE).
        """
        # For backward compatibility standardize the `rope_parameters_dict` if it uses old format
        base = config.rope_parameters[layer_type]["rope_theta"]
        dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads

        attention_factor = 1.0  # Unused in this type of RoPE
        # Compute the inverse frequencies
        inv_freq = 1.0 / (base ** (torch.arange(0, dim, 2, dtype=torch.float) / dim))
        return inv_freq.to(device), attention_factor

    @dynamic_rope_update  # power user: used with advanced RoPE types (e.g. dynamic rope)
    def forward(self, x, position_ids, layer_type):
        inv_freq = getattr(self, f"{layer_type}_inv_freq")
        attention_scaling = getattr(self, f"{layer_type}_attention_scaling")

        freqs = position_ids[..., None].float() * inv_freq.to(device=x.device, dtype=torch.float)
        emb = torch.cat((freqs, freqs), dim=-1)
        cos = emb.cos() * attention_scaling
        sin = emb.sin() * attention_scaling

        return cos.to(dtype=x.dtype), sin.to(dtype=x.dtype)


class QualityGateGemma4TextScaledWordEmbedding(nn.Embedding):
    """
    This module overrides nn.Embeddings' forward by multiplying with embeddings scale.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int, embed_scale: float = 1.0):
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        self.scalar_embed_scale = embed_scale
        self.embed_scale = nn.Buffer(torch.tensor(embed_scale), persistent=False)

    def forward(self, input_ids: torch.Tensor):
        return super().forward(input_ids) * self.embed_scale.to(self.weight.dtype)


def state_without_hooks(model: PreTrainedModel) -> dict[str, Any]:
    """The state of a model that is pickled or copied, once the hooks that record its outputs are gone.

    They are local functions of transformers, which cannot be pickled. The next forward that records outputs has them
    installed again.
    """
    for module in model.modules():
        hooks = module._forward_hooks
        for number in [
            number for number, hook in hooks.items() if getattr(hook, "__module__", "") == OutputRecorder.__module__
        ]:
            del hooks[number]
        vars(module).pop("_output_capturing_hooks_installed", None)
    return PreTrainedModel.__getstate__(model)


def shard_gates_apart(model: PreTrainedModel) -> None:
    """Have FSDP take each gate for a unit of its own: gates are float32, layers may not be, and a unit is of one type.

    For accelerate's plugin and Trainer, which wrap `_no_split_modules`, and for `DistributedConfig(fsdp_size=...)`.
    Whoever calls `fully_shard(layer)` calls `fully_shard(layer.quality_gate)` before.
    """
    gates = {name: module for name, module in model.named_modules() if name.split(".")[-1] == "quality_gate"}
    if gates:
        model._no_split_modules = {*(model._no_split_modules or ()), *(type(gate).__name__ for gate in gates.values())}
    if getattr(model, "_fsdp_plan", None):  # the first entry is done first
        plan = {re.sub(r"\b\d+\b", "*", name): "free_full_weight" for name in gates}
        model._fsdp_plan = plan | model._fsdp_plan


def save_quality_gates(model: PreTrainedModel, folder: str | Path) -> None:
    """Write the weights of the gates, and nothing else, to `quality_gates.safetensors` in `folder`.

    Every process that shares the model has to call this; the first one writes.

    Raises:
        ValueError: a gate's weight is offloaded; the first is named.
    """
    check_gates_are_here(model)
    weights = {name: gate.weight.detach() for name, gate in find_quality_gates(model).items()}
    weights = {name: w.full_tensor() if hasattr(w, "full_tensor") else w.clone() for name, w in weights.items()}
    is_shared = torch.distributed.is_available() and torch.distributed.is_initialized()
    if not is_shared or torch.distributed.get_rank() == 0:
        Path(folder).mkdir(parents=True, exist_ok=True)
        save_file(weights, Path(folder) / "quality_gates.safetensors", metadata={"format": "pt"})


def quality_layers(model: PreTrainedModel) -> tuple[int, ...]:
    """The numbers of the layers that `quality_logits` holds scores of, in its order: of those that have a gate."""
    paths = (name.split(".quality_gate.")[0].split(".") for name in find_quality_gates(model))
    return tuple(next(int(part) for part in reversed(path) if part.isdigit()) for path in paths)


def quality_gate_fields(config: PreTrainedConfig) -> list[Any]:
    """What a config says in the fields that are checked, the mode first."""
    names = (*QUALITY_GATE_CHOICES, *QUALITY_GATE_RANGES)
    if torch.compiler.is_compiling():
        return [getattr(config, name) for name in names]
    own = vars(config)  # a tenth of the time, at every forward
    return [own[name] for name in names]


def loss_function_of_base(model: PreTrainedModel, find: Callable = PreTrainedModel.loss_function.fget) -> Callable:
    """The loss function of a model, called as its base calls it: a forward hands on what the gates are asked as well.

    `find` is a default since `torch.compile` does not look into properties.
    """
    own = find(model)

    def loss_function(*args, output_quality_logits=None, output_router_logits=None, **kwargs):
        return own(*args, **kwargs)

    return loss_function


@torch.no_grad()
def load_quality_gates(model: PreTrainedModel, folder: str | Path) -> None:
    """Read the weights of the gates from `quality_gates.safetensors`, or from the original's `full_rank_weights.pt`.

    Raises:
        FileNotFoundError: `folder` holds neither.
        ValueError: the weights are not one of the right shape for every gate, or a gate's weight is offloaded.
    """
    check_gates_are_here(model)
    file, original = Path(folder) / "quality_gates.safetensors", Path(folder) / "full_rank_weights.pt"
    if original.exists() and not file.exists():
        file, weights = original, torch.load(original, map_location="cpu", weights_only=True)["full_rank_weights"]
    else:
        weights = load_file(file)
    weights = {name.removeprefix("module."): weight for name, weight in weights.items() if ".quality_gate." in name}
    wanted = {name: gate.weight for name, gate in find_quality_gates(model).items()}
    found, needed = ({name: tuple(each.shape) for name, each in some.items()} for some in (weights, wanted))
    for name in needed | found:
        if found.get(name) != needed.get(name):
            what = f"its shape is {found.get(name)} in the file, and {needed.get(name)} in the model"
            what = "it is missing from the file" if name not in found else what
            what = "the model has no such gate" if name not in needed else what
            raise ValueError(
                f"{file} holds {len(found)} gates, the model has {len(needed)}. The first that differs is {name}: {what}."
            )
    for name, weight in wanted.items():
        new = weights[name].to(weight.device)
        if hasattr(weight, "full_tensor"):  # this process has a share of it
            new = torch.distributed.tensor.distribute_tensor(new, weight.device_mesh, weight.placements)
        weight.copy_(new)


def find_quality_gates(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """The gates' linear maps, first layer first, by their weights' names in the checkpoint of a language model."""
    return {
        f"{model.base_model_prefix}.{name}.gate.weight".replace(".language_model.", "."): module.gate
        for name, module in model.base_model.named_modules()
        if name.endswith(".quality_gate")
    }


def explain_mixed_types(problem: AssertionError) -> None:
    """Raise a ValueError with the remedy where FSDP was given a layer whose gate is of another type than its rest."""
    if "uniform original parameter dtype" in str(problem):
        raise ValueError(
            "Gates are float32, and FSDP shards what is of one type: call `fully_shard(layer.quality_gate)` before "
            "`fully_shard(layer)`, for every layer with a gate."
        ) from problem


def check_quality_gate_config(config: PreTrainedConfig) -> None:
    """Raise a ValueError that names the first gate field out of range, its value and what is allowed."""
    for name, choices in QUALITY_GATE_CHOICES.items():
        value = getattr(config, name)
        if value not in choices:
            raise ValueError(f"`{name}` is {value!r}, but must be one of {', '.join(choices)}.")
    for name, (low, high) in QUALITY_GATE_RANGES.items():
        value = getattr(config, name)
        if not low <= value <= high or math.isinf(value):
            raise ValueError(f"`{name}` is {value!r}, but must be a number from {low} to {high}.")


def check_gates_are_here(model: PreTrainedModel) -> None:
    """Raise a ValueError that names the first gate whose weight is kept elsewhere, on disk or in another memory."""
    for name, gate in find_quality_gates(model).items():
        if gate.weight.is_meta:
            raise ValueError(
                f"{name} is offloaded: load the model with a `device_map` that has this layer on a device, or without "
                "one, to read or write its gates."
            )


QUALITY_GATE_RANGES = {
    "quality_gate_init_mean": (-math.inf, math.inf),
    "quality_gate_init_std": (0, math.inf),
    "quality_loss_weight": (0, math.inf),
    "quality_loss_balance": (0, 2),
    "beta_target_mean": (0, 1),
    "beta_target_var": (0, 0.25),  # no distribution on [0, 1] varies more
    "w_mean": (0, math.inf),
    "w_var": (0, math.inf),
    "lambda_var": (0, math.inf),
}


QUALITY_GATE_CHOICES = {
    "quality_gate_mode": ("observe", "scale_ffn"),
    "quality_loss_type": ("linear", "sigmoid", "mse", "beta_moment_matching", "mean_variance_regularization"),
}


@auto_docstring
class QualityGateGemma4PreTrainedModel(PreTrainedModel):
    config: QualityGateGemma4Config
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = [
        "QualityGateGemma4TextDecoderLayer",
        "QualityGateGemma4VisionEncoderLayer",
        "QualityGateGemma4VisionPatchEmbedder",
        "QualityGateGemma4AudioLayer",
    ]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True

    _can_compile_fullgraph = True
    _supports_attention_backend = True
    _can_record_outputs = None  # override
    input_modalities = ("image", "text", "video", "audio")
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates
    __getstate__ = state_without_hooks
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, QualityGateGemma4VisionPatchEmbedder):
            init.ones_(module.position_embedding_table)
        elif isinstance(module, QualityGateGemma4AudioRelPositionalEncoding):
            min_timescale = 1.0
            max_timescale = 10000.0
            num_timescales = module.hidden_size // 2
            log_timescale_increment = math.log(max_timescale / min_timescale) / max(num_timescales - 1, 1)
            inv_timescales = min_timescale * torch.exp(torch.arange(num_timescales) * -log_timescale_increment)
            init.copy_(module.inv_timescales, inv_timescales.unsqueeze(0).unsqueeze(0))
        elif isinstance(module, QualityGateGemma4AudioAttention):
            init.constant_(module.softcap, module.attention_logits_soft_cap)
            init.zeros_(module.per_dim_scale)
        elif isinstance(module, QualityGateGemma4TextRotaryEmbedding):
            for layer_type, rope_init_fn in module.rope_init_fns.items():
                rope_config = module.config.per_layer_config[layer_type]
                curr_inv_freq, _ = rope_init_fn(rope_config, layer_type=layer_type)
                init.copy_(getattr(module, f"{layer_type}_inv_freq"), curr_inv_freq)
                init.copy_(getattr(module, f"{layer_type}_original_inv_freq"), curr_inv_freq)
        elif isinstance(module, QualityGateGemma4TextScaledWordEmbedding):
            init.constant_(module.embed_scale, module.scalar_embed_scale)
        elif isinstance(module, QualityGateGemma4TextRouter):
            init.ones_(module.scale)
            init.ones_(module.per_expert_scale)
        elif isinstance(module, QualityGateGemma4TextExperts):
            std = self.config.initializer_range
            init.normal_(module.gate_up_proj, mean=0.0, std=std)
            init.normal_(module.down_proj, mean=0.0, std=std)
        elif isinstance(module, QualityGateGemma4TextDecoderLayer):
            init.ones_(module.layer_scalar)
        elif isinstance(module, QualityGateGemma4ClippableLinear) and module.use_clipped_linears:
            init.constant_(module.input_min, -float("inf"))
            init.constant_(module.input_max, float("inf"))
            init.constant_(module.output_min, -float("inf"))
            init.constant_(module.output_max, float("inf"))
        elif isinstance(module, QualityGateGemma4VisionModel) and module.config.standardize:
            init.zeros_(module.std_bias)
            init.ones_(module.std_scale)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)

    def get_per_layer_input_embeddings(self):
        return self.base_model.embed_tokens_per_layer

    def set_per_layer_input_embeddings(self, value):
        self.base_model.embed_tokens_per_layer = value

    def resize_token_embeddings(
        self,
        new_num_tokens: int | None = None,
        pad_to_multiple_of: int | None = None,
        mean_resizing: bool = True,
    ) -> nn.Embedding:
        inputs_embeds = super().resize_token_embeddings(
            new_num_tokens=new_num_tokens,
            pad_to_multiple_of=pad_to_multiple_of,
            mean_resizing=mean_resizing,
        )
        self._resize_per_layer_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        return inputs_embeds

    def _resize_per_layer_embeddings(
        self,
        new_num_tokens: int | None = None,
        pad_to_multiple_of: int | None = None,
        mean_resizing: bool = True,
    ):
        self.config.get_text_config().vocab_size_per_layer_input = self.vocab_size
        if self.config.get_text_config().hidden_size_per_layer_input:
            embed_tokens_per_layer = self.get_per_layer_input_embeddings()
            new_embeddings_per_layer = self._get_resized_embeddings(
                embed_tokens_per_layer, new_num_tokens, pad_to_multiple_of, mean_resizing
            )
            if hasattr(embed_tokens_per_layer, "_hf_hook"):
                hook = embed_tokens_per_layer._hf_hook
                add_hook_to_module(new_embeddings_per_layer, hook)
            new_embeddings_per_layer.requires_grad_(embed_tokens_per_layer.weight.requires_grad)
            self.set_per_layer_input_embeddings(new_embeddings_per_layer)

    def __init__(self, config: QualityGateGemma4TextConfig, *inputs, **kwargs):
        if isinstance(config, QualityGateGemma4TextConfig):  # models of images or sound beside it have no gates
            check_quality_gate_config(config)
            self.quality_gate_fields = quality_gate_fields(config)  # that its layers are built from
            # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
            AutoModel._model_mapping.register(type(config), QualityGateGemma4TextModel, exist_ok=True)
        super().__init__(config, *inputs, **kwargs)

    def post_init(self):
        super().post_init()
        shard_gates_apart(self)

    def __call__(self, *args, **kwargs):
        try:
            return super().__call__(*args, **kwargs)
        except AssertionError as problem:  # before any forward of ours
            explain_mixed_types(problem)
            raise

    def _initialize_weights(self, module, is_custom_code: bool = False):
        super()._initialize_weights(module)  # models, too, which custom code would pass over


class QualityGateGemma4VisionPooler(nn.Module):
    """Spatial pooling and ``sqrt(hidden_size)`` scaling for vision encodings.

    The scaling expands the activation magnitude, which can exceed the float16 range, so it is
    computed in float32 and the pooled features are returned in float32. The caller
    (``QualityGateGemma4VisionModel.forward``) standardizes them and casts back to the working dtype.
    """

    def __init__(self, config: QualityGateGemma4VisionConfig):
        super().__init__()
        self.hidden_size = config.hidden_size
        self.root_hidden_size = self.hidden_size**0.5

    def _avg_pool_by_positions(
        self, hidden_states: torch.Tensor, pixel_position_ids: torch.Tensor, length: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        2D spatial pooling according to patch positions.
        Pools the input tokens by averaging patches within a `k^2` grid, where `k` is determined by the ratio between
        input and output lengths
        """
        input_seq_len = hidden_states.shape[1]
        k = int((input_seq_len // length) ** 0.5)
        k_squared = k**2
        if k_squared * length != input_seq_len:
            raise ValueError(
                f"Cannot pool {hidden_states.shape} to {length}: {k=}^2 times {length=} must be {input_seq_len}."
            )

        # Clamp padding positions (which are -1) to 0 so they don't break one_hot.
        # Padding patches have zero hidden states so they contribute nothing to the average.
        clamped_positions = pixel_position_ids.clamp(min=0)
        max_x = clamped_positions[..., 0].max(dim=-1, keepdim=True)[0] + 1
        kernel_idxs = torch.div(clamped_positions, k, rounding_mode="floor")
        kernel_idxs = kernel_idxs[..., 0] + (max_x // k) * kernel_idxs[..., 1]
        weights = F.one_hot(kernel_idxs.long(), length).float() / k_squared
        output = weights.transpose(1, 2) @ hidden_states.float()
        mask = torch.logical_not((weights == 0).all(dim=1))
        return output.to(hidden_states.dtype), mask

    def forward(
        self,
        hidden_states: torch.Tensor,
        pixel_position_ids: torch.Tensor,
        padding_positions: torch.Tensor,
        output_length: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if output_length > hidden_states.shape[1]:
            raise ValueError(
                f"Cannot output more soft tokens (requested {output_length}) than there are patches"
                f" ({hidden_states.shape[1]}). Change the value of `num_soft_tokens` when processing."
            )

        hidden_states = hidden_states.masked_fill(padding_positions.unsqueeze(-1), 0.0)

        if hidden_states.shape[1] != output_length:
            hidden_states, padding_positions = self._avg_pool_by_positions(
                hidden_states, pixel_position_ids, output_length
            )

        # Scale in float32 and return float32: the sqrt(hidden_size) scaling can push the
        # activations past the float16 range (max 65504), so the magnitude is kept in float32
        # until the caller standardizes it.
        hidden_states = hidden_states.float() * self.root_hidden_size
        return hidden_states, padding_positions


class QualityGateGemma4VisionMLP(nn.Module):
    def __init__(self, config: QualityGateGemma4VisionConfig):
        super().__init__()
        self.config = config
        self.hidden_size = config.hidden_size
        self.intermediate_size = config.intermediate_size
        self.gate_proj = QualityGateGemma4ClippableLinear(config, self.hidden_size, self.intermediate_size)
        self.up_proj = QualityGateGemma4ClippableLinear(config, self.hidden_size, self.intermediate_size)
        self.down_proj = QualityGateGemma4ClippableLinear(config, self.intermediate_size, self.hidden_size)
        self.act_fn = ACT2FN[config.hidden_activation]

    def forward(self, x):
        down_proj = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))
        return down_proj


class QualityGateGemma4VisionRotaryEmbedding(nn.Module):
    """
    Simple axial 2D rope with same freqs used for H and W grids. The freqs are
    pre-computed using `head-dim//4` which is later used to concat H and W positions.
    The final angles rotate over the whole head dim, no partial rotation involved.
    """

    def __init__(self, config: QualityGateGemma4VisionConfig, device=None):
        super().__init__()
        self.config = config

        self.rope_type = self.config.rope_parameters["rope_type"]
        rope_init_fn: Callable = self.compute_axial_rope_parameters
        if self.rope_type != "axial":
            raise ValueError(f"{self.__class__.__name__} supports only axial rope, but requested {self.rope_type}")
        inv_freq, self.attention_scaling = rope_init_fn(self.config)

        self.inv_freq = nn.Buffer(inv_freq, persistent=False)
        self.original_inv_freq = nn.Buffer(inv_freq.clone(), persistent=False)

    @staticmethod
    def compute_axial_rope_parameters(
        config: QualityGateGemma4VisionConfig, device=None, **kwargs
    ) -> tuple[torch.Tensor, float]:
        """
        Computes the inverse frequencies according to the original RoPE implementation
        Args:
            config ([`~transformers.PreTrainedConfig`]):
                The model configuration.
        Returns:
            Tuple of (`torch.Tensor`, `float`), containing the inverse frequencies for the RoPE embeddings and the
            post-processing scaling factor applied to the computed cos/sin (unused in this type of RoPE).
        """
        base = config.rope_parameters["rope_theta"]
        dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        spatial_dim = dim // 2

        attention_factor = 1.0  # Unused in this type of RoPE
        inv_freq = 1.0 / (base ** (torch.arange(0, spatial_dim, 2, dtype=torch.float) / spatial_dim))
        return inv_freq.to(device), attention_factor

    def forward(self, x, position_ids):
        freqs = position_ids[..., None].float() * self.inv_freq.to(device=x.device, dtype=torch.float)
        cos = freqs.cos() * self.attention_scaling
        sin = freqs.sin() * self.attention_scaling

        cos = self.recomposition_frequencies(cos)
        sin = self.recomposition_frequencies(sin)
        return cos.to(x.dtype), sin.to(x.dtype)

    # Ignore copy
    def recomposition_frequencies(self, freq):
        """
        Recompose the frequencies into the final spatial layout used per each grid.
        """
        # in contrast to other 2D rope modules, interleave grids as H-H-W-W
        freq_h, freq_w = freq[:, :, 0], freq[:, :, 1]
        return torch.cat([freq_h, freq_h, freq_w, freq_w], dim=-1)


def apply_multidimensional_rope(
    x: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    position_ids: torch.Tensor,
    unsqueeze_dim: int = 2,
) -> torch.Tensor:
    """Applies multidimensional RoPE to inputs.

    Args:
        x (`torch.Tensor`): The tensor to embed.
        cos (`torch.Tensor`): The cosine part of the rotary embedding.
        sin (`torch.Tensor`): The sine part of the rotary embedding.
        position_ids (`torch.Tensor`, *optional*):
            If position_ids.ndim + 2 == x.ndim, then this function passes through to `apply_rotary_pos_emb()`.
            Otherwise, position_ids is used to split the inputs, x, into multiple pieces, where each piece is fed to
            `apply_rotary_pos_emb()`, and then concatenated back together.
        unsqueeze_dim (`int`, *optional*, defaults to 1):
            The 'unsqueeze_dim' argument specifies the dimension along which to unsqueeze cos[position_ids] and
            sin[position_ids] so that they can be properly broadcasted to the dimensions of q and k. For example, note
            that cos[position_ids] and sin[position_ids] have the shape [batch_size, seq_len, head_dim]. Then, if q and
            k have the shape [batch_size, heads, seq_len, head_dim], then setting unsqueeze_dim=1 makes
            cos[position_ids] and sin[position_ids] broadcastable to the shapes of q and k. Similarly, if q and k have
            the shape [batch_size, seq_len, heads, head_dim], then set unsqueeze_dim=2.

    Returns:
      Tensor of shape [B, L, N, H] with RoPE applied.
    """
    ndim = position_ids.shape[-1]
    num_input_channels = x.shape[-1]
    num_rotated_channels_per_dim = 2 * (num_input_channels // (2 * ndim))

    if num_rotated_channels_per_dim <= 0:
        raise ValueError(
            "Invalid configuration: num_rotated_channels_per_dim must be > 0, got"
            f" {num_rotated_channels_per_dim} (num_input_channels={num_input_channels},"
            f" ndim={ndim})"
        )

    # Correctly split the input tensor into ndim parts
    split_sizes = [num_rotated_channels_per_dim] * ndim
    x_parts = torch.split(x, split_sizes, dim=-1)
    cos_parts = torch.split(cos, split_sizes, dim=-1)
    sin_parts = torch.split(sin, split_sizes, dim=-1)
    y_parts = [
        apply_rotary_pos_emb(
            x=x_parts[k],
            cos=cos_parts[k],
            sin=sin_parts[k],
            unsqueeze_dim=unsqueeze_dim,
        )
        for k in range(ndim)
    ]
    return torch.cat(y_parts, dim=-1)


class QualityGateGemma4VisionAttention(nn.Module):
    """Multi-headed attention from 'Attention Is All You Need' paper"""

    def __init__(self, config: QualityGateGemma4VisionConfig, layer_idx: int):
        super().__init__()
        self.layer_type = config.layer_types[layer_idx] if hasattr(config, "layer_types") else None
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
        self.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads
        self.scaling = 1.0
        self.attention_dropout = self.config.attention_dropout
        self.is_causal = False
        self.q_proj = QualityGateGemma4ClippableLinear(
            config, config.hidden_size, config.num_attention_heads * self.head_dim
        )
        self.k_proj = QualityGateGemma4ClippableLinear(
            config, config.hidden_size, config.num_key_value_heads * self.head_dim
        )
        self.v_proj = QualityGateGemma4ClippableLinear(
            config, config.hidden_size, config.num_key_value_heads * self.head_dim
        )
        self.o_proj = QualityGateGemma4ClippableLinear(
            config, config.num_attention_heads * self.head_dim, config.hidden_size
        )

        self.q_norm = QualityGateGemma4RMSNorm(dim=config.head_dim, eps=config.rms_norm_eps)
        self.k_norm = QualityGateGemma4RMSNorm(dim=config.head_dim, eps=config.rms_norm_eps)
        self.v_norm = QualityGateGemma4RMSNorm(self.head_dim, eps=config.rms_norm_eps, with_scale=False)

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: torch.Tensor = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None, tuple[torch.Tensor] | None]:
        input_shape = hidden_states.shape[:-1]
        hidden_shape = (*input_shape, -1, self.head_dim)

        cos, sin = position_embeddings

        query_states = self.q_proj(hidden_states).view(hidden_shape)
        query_states = self.q_norm(query_states)
        query_states = apply_multidimensional_rope(query_states, cos, sin, position_ids)
        query_states = query_states.transpose(1, 2)

        key_states = self.k_proj(hidden_states).view(hidden_shape)
        key_states = self.k_norm(key_states)
        key_states = apply_multidimensional_rope(key_states, cos, sin, position_ids)
        key_states = key_states.transpose(1, 2)

        value_states = self.v_proj(hidden_states).view(hidden_shape)
        value_states = self.v_norm(value_states)
        value_states = value_states.transpose(1, 2)

        attention_interface: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )

        attn_output, attn_weights = attention_interface(
            self,
            query_states,
            key_states,
            value_states,
            attention_mask,
            dropout=self.attention_dropout if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )

        attn_output = attn_output.reshape(*input_shape, -1).contiguous()
        attn_output = self.o_proj(attn_output)
        return attn_output, attn_weights


class QualityGateGemma4VisionEncoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: QualityGateGemma4VisionConfig, layer_idx: int):
        super().__init__()
        self.config = config
        self.hidden_size = config.hidden_size
        self.layer_idx = layer_idx
        self.self_attn = QualityGateGemma4VisionAttention(config=config, layer_idx=layer_idx)
        self.mlp = QualityGateGemma4VisionMLP(config)
        self.input_layernorm = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
        self.pre_feedforward_layernorm = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)
        self.post_feedforward_layernorm = QualityGateGemma4RMSNorm(self.hidden_size, eps=config.rms_norm_eps)

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: torch.Tensor = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:
        residual = hidden_states

        hidden_states = self.input_layernorm(hidden_states)

        hidden_states, _ = self.self_attn(
            hidden_states=hidden_states,
            position_embeddings=position_embeddings,
            attention_mask=attention_mask,
            position_ids=position_ids,
            **kwargs,
        )
        hidden_states = self.post_attention_layernorm(hidden_states)
        hidden_states = residual + hidden_states

        residual = hidden_states
        hidden_states = self.pre_feedforward_layernorm(hidden_states)
        hidden_states = self.mlp(hidden_states)
        hidden_states = self.post_feedforward_layernorm(hidden_states)
        hidden_states = residual + hidden_states

        return hidden_states


class QualityGateGemma4VisionEncoder(nn.Module):
    def __init__(self, config: QualityGateGemma4VisionConfig):
        super().__init__()
        self.config = config
        self.num_layers = config.num_hidden_layers
        self.rotary_emb = QualityGateGemma4VisionRotaryEmbedding(config)
        self.layers = nn.ModuleList(
            [QualityGateGemma4VisionEncoderLayer(config=config, layer_idx=i) for i in range(self.num_layers)]
        )

    def forward(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        pixel_position_ids: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPast:
        r"""
        pixel_position_ids (torch.Tensor):
            Patch positions as (x, y) coordinates in the image as [batch, num_patches, 2].
        """
        attention_mask = create_bidirectional_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
        )

        # embed positions
        hidden_states = inputs_embeds
        position_embeddings = self.rotary_emb(hidden_states, pixel_position_ids)

        # decoder layers
        for decoder_layer in self.layers[: self.config.num_hidden_layers]:
            hidden_states = decoder_layer(
                hidden_states,
                attention_mask=attention_mask,
                position_embeddings=position_embeddings,
                position_ids=pixel_position_ids,
                **kwargs,
            )

        return BaseModelOutputWithPast(last_hidden_state=hidden_states)


class QualityGateGemma4VisionModel(QualityGateGemma4PreTrainedModel):
    """The Gemma 4 Vision Encoder."""

    config: QualityGateGemma4VisionConfig
    _can_record_outputs = {
        "hidden_states": QualityGateGemma4VisionEncoderLayer,
        "attentions": QualityGateGemma4VisionAttention,
    }

    def __init__(self, config: QualityGateGemma4VisionConfig):
        super().__init__(config)
        self.patch_embedder = QualityGateGemma4VisionPatchEmbedder(config)
        self.encoder = QualityGateGemma4VisionEncoder(config)
        self.pooler = QualityGateGemma4VisionPooler(config)

        if self.config.standardize:
            self.std_bias = nn.Buffer(torch.empty(self.config.hidden_size))
            self.std_scale = nn.Buffer(torch.empty(self.config.hidden_size))

        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring(custom_intro="Encodes image pixels to soft tokens from patches.")
    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_position_ids: torch.LongTensor,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPast:
        r"""
        pixel_values (`torch.Tensor` or `list[torch.Tensor]`):
            The images to encode. Either a single `[batch, channels, height, width]` tensor
            (all images same size) or a list of `[1, channels, height, width]` tensors (different sizes).
        pixel_position_ids (`torch.LongTensor` of shape `(batch_size, max_patches, 2)`):
            The patch positions as (x, y) coordinates in the image. Padding patches are indicated by (-1, -1).
        """
        pooling_kernel_size = self.config.pooling_kernel_size
        output_length = pixel_values.shape[-2] // (pooling_kernel_size * pooling_kernel_size)

        padding_positions = (pixel_position_ids == -1).all(dim=-1)
        inputs_embeds = self.patch_embedder(pixel_values, pixel_position_ids, padding_positions)
        output = self.encoder(
            inputs_embeds=inputs_embeds,
            attention_mask=~padding_positions,  # encoder expects True=valid, padding_positions is True=padding
            pixel_position_ids=pixel_position_ids,
            **kwargs,
        )

        hidden_states, pooler_mask = self.pooler(
            hidden_states=output.last_hidden_state,
            pixel_position_ids=pixel_position_ids,
            padding_positions=padding_positions,
            output_length=output_length,
        )

        # Strip padding tokens. pooler_mask is True = valid, False = padding.
        hidden_states = hidden_states[pooler_mask]

        # The pooler returns float32-scaled features. Standardize in float32 (the std_bias
        # subtraction cancels large values) and cast back to the working dtype.
        if self.config.standardize:
            hidden_states = (hidden_states - self.std_bias.float()) * self.std_scale.float()
        hidden_states = hidden_states.to(inputs_embeds.dtype)

        return BaseModelOutputWithPooling(last_hidden_state=hidden_states)


def weighted_losses(
    good_ratios: torch.Tensor,
    valid: torch.Tensor,
    config: PreTrainedConfig,
    quality_targets: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    labeled: torch.Tensor | None = None,
) -> torch.Tensor:
    """Each layer's mean cost of open gates, and of closed ones where a label wants them open: `[layers]`."""
    cost = torch.square if config.quality_loss_type == "mse" else torch.positive
    costs = cost(good_ratios)
    if not config.sample_wise_averaging and labeled is None:
        return (costs * valid).sum((1, 2)) / valid.sum().clamp(min=1)
    if quality_targets is not None and config.sample_wise_averaging:
        labels = quality_targets.to(good_ratios)
        labels = labels.unsqueeze(-1) if labels.ndim == 1 else labels
        known = labels >= 0
        labels = torch.where(known, labels, 0)
        guided = (1 - labels) * config.quality_loss_balance * costs
        guided = guided + labels * (2 - config.quality_loss_balance) * cost(1 - good_ratios)
        costs = torch.where(known, guided, costs)
    return (costs * sample_weights(valid, position_ids, labeled)).sum((1, 2))


def watch_quality_loss(model: PreTrainedModel, fields: dict[str, Any]) -> None:
    """Warn once if a training step leaves out the quality loss, which a caller with a loss of its own has to add.

    Callers that compute their loss from the logits, or that put a head of their own on the base model, get no loss from
    it: their gates would learn nothing, silently, and DistributedDataParallel would wait for their gradients.
    """
    loss, name = fields.get("quality_loss"), next(iter(fields), None)
    if not model.training or loss is None or not loss.requires_grad or fields.get("loss") is not None:
        return
    gates = [weight for name, weight in model.named_parameters() if ".quality_gate." in name]
    gates = [weight for weight in gates if weight.requires_grad and weight.numel()]  # an empty one is elsewhere
    output = fields[name]
    if not gates or torch.compiler.is_compiling() or not getattr(output, "requires_grad", False):
        return
    used: list[bool] = []

    def tell(gradient: torch.Tensor) -> None:
        if not used:  # what was computed last gets its gradient first
            logger.warning_once(
                f"A training step uses what {type(model).__name__} returns without its quality loss, so that its gates "
                "do not learn. Make the trainer's class with `trains_gates` of `generated.training`, or add "
                "`model.config.quality_loss_weight * outputs.quality_loss` to the loss; freeze the gates, or pass "
                "`output_router_logits=False`, where they are not to learn."
            )

    loss.register_hook(lambda gradient: used.append(True))
    output.register_hook(tell)
    fields[name] = QualityGateGemma4Idle.apply(output, *gates)


def warn_of_closing_gates(config: PreTrainedConfig) -> None:
    """Warn once where nothing in the loss keeps a gate open."""
    only_closes = config.quality_gate_mode == "observe" and config.quality_loss_type in QUALITY_LOSSES_OF_TOKENS
    if only_closes and not torch.compiler.is_compiling():
        logger.warning_once(
            f"The {config.quality_loss_type} quality loss closes every gate for every text: gates that only observe "
            "cost the language model nothing. Pass `quality_targets` (1 for samples of the quality to train for, else "
            '0), set `quality_gate_mode="scale_ffn"`, or ask for no scores: `output_router_logits=False`.'
        )


def valid_tokens(attention_mask: torch.Tensor | None, scores: torch.Tensor) -> torch.Tensor:
    """1.0 where a token counts, else 0.0: `[batch, tokens]` for scores `[layers, batch, tokens]`."""
    _, batch_size, length = scores.shape
    if not isinstance(attention_mask, torch.Tensor) or attention_mask.ndim != 2:
        return torch.ones_like(scores[0])
    if attention_mask.shape[0] != batch_size or attention_mask.shape[1] < length:
        raise ValueError(
            f"`attention_mask` has the shape {tuple(attention_mask.shape)}, but must cover the scores: "
            f"({batch_size}, {length} or more)."
        )
    return attention_mask[:, -length:].to(scores.device).ne(0).to(scores.dtype)


def targets_by_their_old_name(
    quality_labels: torch.Tensor, quality_targets: torch.Tensor | None = None, stacklevel: int = 3
) -> torch.Tensor:
    """The targets of a call that still names them `quality_labels`, which other tools take for a task's labels.

    Raises:
        TypeError: both names are given.
    """
    if quality_targets is not None:
        raise TypeError("`quality_labels` is the old name of `quality_targets`: give one of them.")
    if not torch.compiler.is_compiling():
        message = "`quality_labels` is deprecated: name it `quality_targets`, also as a column of data."
        warnings.warn(message, FutureWarning, stacklevel=stacklevel)
    return quality_labels


def take_old_names(kwargs: dict[str, Any]) -> None:
    """Give what has an old name in a call its new one."""
    targets = kwargs.pop("quality_labels", None)
    if targets is not None:
        kwargs["quality_targets"] = targets_by_their_old_name(targets, kwargs.get("quality_targets"), stacklevel=5)


def sample_weights(
    valid: torch.Tensor, position_ids: torch.Tensor | None, labeled: torch.Tensor | None = None
) -> torch.Tensor:
    """Weights `[batch, tokens]` that average over the tokens of every sample, then over samples with a valid token.

    Over samples by the number of their labels, where it is told which tokens have one.
    """
    if labeled is not None:
        labeled = labeled.to(valid) / labeled.sum().clamp(min=1).to(valid)
    if position_ids is None or position_ids.ndim != 2:
        tokens = valid.sum(-1, keepdim=True)
        if labeled is not None:
            return valid / tokens.clamp(min=1) * labeled.sum(-1, keepdim=True)
        return valid / tokens.clamp(min=1) / tokens.gt(0).sum().clamp(min=1)
    starts = position_ids[:, 1:] <= position_ids[:, :-1]
    sample = nn.functional.pad(starts.cumsum(-1), (1, 0)).to(valid.device).expand(valid.shape)  # number in its row
    tokens = torch.zeros_like(valid).scatter_add(-1, sample, valid)
    if labeled is not None:
        labels = torch.zeros_like(valid).scatter_add(-1, sample, labeled)
        return valid / tokens.gather(-1, sample).clamp(min=1) * labels.gather(-1, sample)
    return valid / tokens.gather(-1, sample).clamp(min=1) / tokens.gt(0).sum().clamp(min=1)


def returns_quality_scores(output_class: type[ModelOutput]) -> Callable[[Callable], Callable]:
    """Decorate the `forward` of a model or head: it asks the gates for scores and returns them in an `output_class`.

    It names two keyword arguments, so that they go nowhere else, and does nothing with them itself:

        quality_targets: `[batch]`, 1 for a sample of the quality to train for, 0 for any other, negative for unknown;
            or `[batch, tokens]`, where rows hold several samples.
        output_router_logits: whether to compute and return scores. Where it is not given, they are returned if the
            config's `output_quality_logits` says so, or a mixture's `output_router_logits`, in training, and with targets.

    With scores it also returns their quality loss, and adds it to the loss where there is one. A step of generation, which
    has a cache and no labels, has no quality loss.
    """

    def decorate(forward: Callable) -> Callable:
        own = signature(forward).parameters
        takes = [name for name, each in own.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD][1:]
        takes = [name for name in takes if name != "output_quality_logits"]  # ours, and the base takes none more
        keep_old_names(forward)

        @wraps(forward, updated=())
        def wrapper(self, *args, **kwargs):
            scores = kwargs.get("output_quality_logits")
            if isinstance(scores, QualityGateGemma4Scores):  # a head asks, and answers for this model
                if scores.routers is not None and records_router_logits(self):
                    kwargs.setdefault("output_router_logits", scores.routers)
                return forward(self, *args, **kwargs)
            if args:
                kwargs = named_arguments(forward, takes, args, kwargs)
            take_old_names(kwargs)
            check_quality_inputs(**kwargs)
            given = dict(kwargs)
            kwargs.pop("quality_targets", None)
            kwargs.pop("output_quality_logits", None)
            # Heads drop what they do not know of the base model's output, so the scores go around them
            scores = QualityGateGemma4Scores(asks_for_quality_scores(self, **given), given.get("output_router_logits"))
            outputs = forward(self, **kwargs, output_quality_logits=scores)
            fields = add_quality_scores(self, outputs, tuple(scores.logits) or None, **given)
            watch_quality_loss(self, fields)
            return output_class(**fields)

        return can_return_tuple(wrapper)

    return decorate


def records_router_logits(model: nn.Module) -> bool:
    """Whether the logits of experts' routers are among what transformers records of a model."""
    return "router_logits" in (getattr(model, "_can_record_outputs", None) or ())


def records_quality_scores(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, directly below `returns_quality_scores`.

    Raises:
        ValueError: gradients are wanted, but the scores carry none.
    """

    @wraps(forward)
    def wrapper(self, *args, output_quality_logits: QualityGateGemma4Scores, **kwargs):
        check_quality_gate_fields(self)
        scores = QualityGateGemma4Scores(output_quality_logits.asked)
        kwargs |= {"return_dict": True, "output_quality_logits": scores if scores.asked else False}
        outputs = forward(self, *args, **kwargs)
        logits = scores.logits
        if logits and torch.is_grad_enabled() and not logits[-1].requires_grad:
            checkpoints = any(getattr(module, "gradient_checkpointing", False) for module in self.modules())
            trains_layers = checkpoints and outputs.last_hidden_state.requires_grad
            if trains_layers or any(gate.weight.requires_grad for gate in find_quality_gates(self).values()):
                raise ValueError(
                    "The quality scores carry no gradients: reentrant gradient checkpointing computes them without. "
                    "Use `gradient_checkpointing_kwargs={'use_reentrant': False}`, or ask for no scores: "
                    "`output_router_logits=False`."
                )
        elif not logits and self.training:
            gates = [weight for name, weight in self.named_parameters() if ".quality_gate." in name]
            idle = [weight for weight in gates if weight.requires_grad and weight.numel()]  # an empty one is elsewhere
            outputs["last_hidden_state"] = QualityGateGemma4Idle.apply(outputs.last_hidden_state, *idle)
        output_quality_logits.logits = logits
        return outputs

    return wrapper


def quality_classification_loss(
    router_logits: tuple[torch.Tensor, ...] | None,
    config: PreTrainedConfig,
    attention_mask: torch.Tensor | None = None,
    debug: bool = False,
    quality_targets: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    quality_labels: torch.Tensor | None = None,
    labeled: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    The quality loss of gate scores, mean over layers.

    Source: the Quality-Gate project (linear loss, labels and their balance) and Select-MoE, which it follows (the
    other losses); moments are taken of each layer, and keep the gradients that they lost there.

    Args:
        router_logits: one tensor `[batch, tokens, 1]` for every layer, before the sigmoid.
        config: the configuration of the gated text model: `quality_loss_type` and the fields that go with it.
        attention_mask: `[batch, tokens]`, nonzero where a token counts; it may be longer by the tokens of a cache.
            Masks of another rank are for attention alone: every token counts.
        debug: whether to print scores and loss of every fifth layer.
        quality_targets: `[batch]`, 1 for a sample of the quality to train for, 0 for any other, negative for unknown;
            or `[batch, tokens]`, where rows hold several samples. Averages over tokens and moments of a batch know no
            samples and ignore them.
        position_ids: `[batch, tokens]`; where the positions of a row start over, another sample begins.
        quality_labels: the old name of `quality_targets`.
        labeled: `[batch, tokens]`, nonzero where a token has a label. Where it is given, samples weigh by how many
            labels they have, so that parts of a batch add up to the batch; moments do not.

    Returns:
        A scalar in float32: 0 where there are no scores or no token counts.

    Raises:
        ValueError: an unknown loss type, or a shape that does not fit the scores.
    """
    if quality_labels is not None:
        quality_targets = targets_by_their_old_name(quality_labels, quality_targets)
    if not router_logits:
        return torch.zeros(())
    device = router_logits[0].device
    scores = torch.cat([each.to(device) for each in router_logits], -1).float().movedim(-1, 0)
    valid = valid_tokens(attention_mask, scores)
    good_ratios = scores.masked_fill(valid == 0, 0).sigmoid()  # whatever padding holds, NaN included, stays out
    is_of_tokens = config.quality_loss_type in QUALITY_LOSSES_OF_TOKENS
    if quality_targets is not None and not (is_of_tokens and config.sample_wise_averaging):
        if not torch.compiler.is_compiling():
            logger.warning_once("`quality_targets` are ignored: averages over tokens and moments know no samples.")
    if is_of_tokens:
        losses = weighted_losses(good_ratios, valid, config, quality_targets, position_ids, labeled)
    elif config.quality_loss_type in QUALITY_GATE_CHOICES["quality_loss_type"]:
        losses = moment_losses(good_ratios, valid, config)
    else:
        choices = ", ".join(QUALITY_GATE_CHOICES["quality_loss_type"])
        raise ValueError(f"`quality_loss_type` is {config.quality_loss_type!r}, but must be one of {choices}.")
    if debug and not torch.compiler.is_compiling():
        print_quality_scores(router_logits, losses)
    return losses.mean()


def print_quality_scores(router_logits: tuple[torch.Tensor, ...], losses: torch.Tensor) -> None:
    """Print shape, range and mean of the scores and the quality loss of every fifth layer."""
    print(f"quality loss of {len(router_logits)} layers: {losses.mean().item():.6f}")
    for layer in range(0, len(router_logits), 5):
        scores = router_logits[layer].detach().float()
        print(
            f"  layer {layer}: shape {tuple(scores.shape)}, min {scores.min().item():.4f}, "
            f"max {scores.max().item():.4f}, mean {scores.mean().item():.4f}, loss {losses[layer].item():.6f}"
        )


def named_arguments(
    forward: Callable, names: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """All arguments of a call by their names. Raises TypeError where Python does: too many, or one given twice."""
    if len(args) > len(names):
        raise TypeError(
            f"{forward.__qualname__}() takes {len(names) + 1} positional arguments but {len(args) + 1} were given"
        )
    for name in names[: len(args)]:
        if name in kwargs:
            raise TypeError(f"{forward.__qualname__}() got multiple values for argument '{name}'")
    return {**dict(zip(names, args)), **kwargs}


def moment_losses(good_ratios: torch.Tensor, valid: torch.Tensor, config: PreTrainedConfig) -> torch.Tensor:
    """Each layer's cost of the mean and the unbiased variance of its ratios over all valid tokens: `[layers]`."""
    tokens = valid.sum()
    means = (good_ratios * valid).sum((1, 2)) / tokens.clamp(min=1)
    deviations = (good_ratios - means[:, None, None]) * valid
    variances = deviations.square().sum((1, 2)) / (tokens - 1).clamp(min=1)
    if config.quality_loss_type == "mean_variance_regularization":
        losses = (means - 0.5).square() - config.lambda_var * variances
    else:
        losses = config.w_mean * (means - config.beta_target_mean).square()
        losses = losses + config.w_var * (variances - config.beta_target_var).square()
    return losses * tokens.gt(0)


def labeled_tokens(
    model: PreTrainedModel, labels: torch.Tensor | None, shift_labels: torch.Tensor | None = None
) -> torch.Tensor | None:
    """Where there is a label that the loss counts, and `Trainer` in `num_items_in_batch`: of the shape of the labels."""
    if shift_labels is not None:
        return shift_labels.ne(-100)
    if labels is None:
        return None
    labeled = labels.ne(-100)
    if labels.ndim == 1 or getattr(model, "loss_type", None) == "ForTokenClassification":
        return labeled
    return nn.functional.pad(labeled[..., 1:], (0, 1))  # a token is labeled with the next


def labeled_samples(labeled: torch.Tensor | None, scores: torch.Tensor) -> torch.Tensor | None:
    """The same `[batch, tokens]` as scores are; none where the labels are of something else."""
    batch_size, length = scores.shape[:2]
    if labeled is not None and labeled.shape == (batch_size,):
        return nn.functional.pad(labeled.unsqueeze(-1), (0, length - 1)).to(scores.device)
    return labeled.to(scores.device) if labeled is not None and labeled.shape == (batch_size, length) else None


def keep_old_names(forward: Callable) -> None:
    """Tell `Trainer`, which drops the columns of data that no signature names, the old names that a `forward` takes.

    Of the function below all decorators: on the one that is called, compilers read parameters that its code has not.
    """
    own = signature(forward)
    *parameters, rest = own.parameters.values()
    name = QualityGateGemma4OldName("quality_labels")
    old = Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=torch.Tensor | None)
    forward.__signature__ = own.replace(parameters=[*parameters, old, rest])


def check_quality_values(quality_targets: torch.Tensor) -> None:
    """Raise a ValueError (within a compiled graph a RuntimeError) where values are neither 0 to 1 nor unknown."""
    is_known = quality_targets >= 0
    is_wrong = (is_known & (quality_targets > 1)) | (quality_targets == -math.inf)
    rule = "must be from 0 to 1, or negative or NaN where the quality of a sample is unknown"
    if torch.compiler.is_compiling():  # nothing waits for the values there
        torch._assert_async(is_wrong.logical_not().all(), f"`quality_targets` {rule}.")
    elif is_wrong.any():
        raise ValueError(f"`quality_targets` holds {quality_targets[is_wrong][0].item()}, but {rule}.")


def check_quality_inputs(
    input_ids: torch.Tensor | None = None,
    inputs_embeds: torch.Tensor | None = None,
    attention_mask: torch.Tensor | None = None,
    cache: Cache | None = None,
    past_key_values: Cache | None = None,
    quality_targets: torch.Tensor | None = None,
    **kwargs,
) -> None:
    """Raise a ValueError where `quality_targets`, or a mask without a cache, do not fit the tokens."""
    tokens = input_ids if input_ids is not None else inputs_embeds
    if tokens is None:
        return  # the base says what is missing
    batch_size, length = tokens.shape[:2]
    if quality_targets is not None and quality_targets.shape not in ((batch_size,), (batch_size, length)):
        raise ValueError(
            f"`quality_targets` has the shape {tuple(quality_targets.shape)}, but must have one value for each sample: "
            f"({batch_size},), or for each token: ({batch_size}, {length})."
        )
    if quality_targets is not None:
        check_quality_values(quality_targets)
    is_mask_of_tokens = isinstance(attention_mask, torch.Tensor) and attention_mask.ndim == 2
    has_no_cache = cache is None and past_key_values is None  # releases name it one way or the other
    if is_mask_of_tokens and has_no_cache and attention_mask.shape != (batch_size, length):
        raise ValueError(
            f"`attention_mask` has the shape {tuple(attention_mask.shape)}, but without a cache it must have one "
            f"value for each token: ({batch_size}, {length})."
        )


def check_quality_gate_fields(model: PreTrainedModel) -> None:
    """Raise a ValueError where the config of a base model has come to say what it may not, or another mode."""
    fields = quality_gate_fields(model.config)
    if fields != model.quality_gate_fields:
        check_quality_gate_config(model.config)
        if fields[0] != model.quality_gate_fields[0]:
            raise ValueError(
                f"`quality_gate_mode` was {model.quality_gate_fields[0]!r} when this model was built, and is now "
                f"{fields[0]!r}: build the model anew from the changed config."
            )


def batch_share(
    labeled: torch.Tensor | None, num_items_in_batch: torch.Tensor | int | None, device: torch.device
) -> torch.Tensor | float:
    """The share of a whole batch's labels that this call sees, so that accumulated losses add up to the batch's."""
    if labeled is None or num_items_in_batch is None:
        return 1.0
    return labeled.sum().to(device) / torch.as_tensor(num_items_in_batch, device=device)


def asks_for_quality_scores(
    model: PreTrainedModel,
    output_router_logits: bool | None = None,
    quality_targets: torch.Tensor | None = None,
    **kwargs,
) -> bool:
    """Whether a call of `forward` wants scores: it says so itself, else the config does; else training and targets do.

    With targets an evaluation has the quality loss in its loss, which chooses among checkpoints.
    """
    if output_router_logits is not None:
        return output_router_logits
    config = model.config.get_text_config()
    # The second is a mixture's own, or was set by the name that the first once had
    asks = config.output_quality_logits or getattr(config, "output_router_logits", False)
    return asks or model.training or quality_targets is not None


def add_quality_scores(
    model: PreTrainedModel,
    outputs: ModelOutput,
    logits: tuple[torch.Tensor, ...] | None,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    cache: Cache | None = None,
    past_key_values: Cache | None = None,
    labels: torch.Tensor | None = None,
    quality_targets: torch.Tensor | None = None,
    num_items_in_batch: torch.Tensor | int | None = None,
    shift_labels: torch.Tensor | None = None,
    **kwargs,
) -> dict[str, Any]:
    """The fields of a base's output, and those that the gates add."""
    fields = dict(outputs)
    loss, aux_loss = fields.get("loss"), fields.get("aux_loss")
    if loss is not None:  # a base with experts has added its own auxiliary loss
        fields["lm_loss"] = loss if aux_loss is None else loss - model.router_aux_loss_coef * aux_loss.to(loss.device)
    if logits is None:
        return fields
    fields["quality_logits"] = logits
    if not any(map(records_router_logits, (model, model.base_model, *model.children()))):
        fields["router_logits"] = logits
    has_cache = cache is not None or past_key_values is not None
    if has_cache and labels is None and quality_targets is None:
        return fields  # a step of generation: the loss of its few tokens is nobody's
    config = model.config.get_text_config()
    labeled = labeled_tokens(model, labels, shift_labels) if num_items_in_batch is not None else None
    quality_loss = quality_classification_loss(
        logits,
        config,
        attention_mask,
        config.quality_loss_debug,
        quality_targets,
        position_ids,
        labeled=labeled_samples(labeled, logits[0]),
    )
    fields["quality_loss"] = quality_loss
    if loss is not None:
        if quality_loss.requires_grad and quality_targets is None:
            warn_of_closing_gates(config)
        share = batch_share(labeled, num_items_in_batch, loss.device)
        fields["loss"] = loss + config.quality_loss_weight * share * quality_loss.to(loss.device)
    return fields


class QualityGateGemma4OldName(str):
    """An argument's old name: `Trainer` keeps a column of data called so, and counts it for no label of the task.

    It takes every argument with "label" in its name for one, without which there is nothing to evaluate.
    """

    def __contains__(self, part: str) -> bool:
        return part == str(self)


class QualityGateGemma4Idle(torch.autograd.Function):
    """Hands hidden states on, and gradients of zero back to gates that had no part in them.

    DistributedDataParallel waits for a gradient of every weight, and a distributed checkpoint of an optimizer wants
    the state that a weight has only once it got one.
    """

    @staticmethod
    def forward(ctx, hidden_states: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(*weights)
        return hidden_states.view_as(hidden_states)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return gradient, *map(torch.zeros_like, ctx.saved_tensors)


QUALITY_LOSSES_OF_TOKENS = ("linear", "sigmoid", "mse")  # the others are of moments


@auto_docstring(custom_intro="The base Gemma 4 language model without a language modeling head.")
class QualityGateGemma4TextModel(QualityGateGemma4PreTrainedModel):
    config: QualityGateGemma4TextConfig
    input_modalities = ("text",)
    _can_record_outputs = {
        "router_logits": OutputRecorder(QualityGateGemma4TextRouter, index=0),
        "hidden_states": QualityGateGemma4TextDecoderLayer,
        "attentions": QualityGateGemma4TextAttention,
    }
    _tp_plan = {"layers.*.quality_gate.gate": "replicate"}

    def __init__(self, config: QualityGateGemma4TextConfig):
        super().__init__(config)
        self.padding_idx = config.pad_token_id
        self.vocab_size = config.vocab_size

        # QualityGateGemma4 downcasts the below to bfloat16, causing sqrt(3072)=55.4256 to become 55.5. See https://github.com/huggingface/transformers/pull/29402
        self.embed_tokens = QualityGateGemma4TextScaledWordEmbedding(
            config.vocab_size, config.hidden_size, self.padding_idx, embed_scale=self.config.hidden_size**0.5
        )
        self.layers = nn.ModuleList(
            [QualityGateGemma4TextDecoderLayer(config, layer_idx) for layer_idx in range(config.num_hidden_layers)]
        )
        self.norm = QualityGateGemma4RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = QualityGateGemma4TextRotaryEmbedding(config)
        self.gradient_checkpointing = False
        self.unique_layer_types = set(self.config.layer_types)
        self.first_kv_shared_layer_idx = config.num_hidden_layers - config.num_kv_shared_layers

        # Per-Layer Embeddings (PLE): auxiliary embedding that feeds a residual signal
        # into each decoder layer. See `get_per_layer_inputs()` and `project_per_layer_inputs()`
        # for the full pipeline. The embedding is packed: total dim = num_layers * per_layer_dim.
        self.hidden_size_per_layer_input = config.hidden_size_per_layer_input
        if self.hidden_size_per_layer_input:
            self.embed_tokens_per_layer = QualityGateGemma4TextScaledWordEmbedding(
                config.vocab_size_per_layer_input,
                config.num_hidden_layers * config.hidden_size_per_layer_input,
                self.padding_idx,
                embed_scale=config.hidden_size_per_layer_input**0.5,
            )
            self.per_layer_input_scale = 2.0**-0.5
            self.per_layer_model_projection = nn.Linear(
                config.hidden_size,
                config.num_hidden_layers * config.hidden_size_per_layer_input,
                bias=False,
            )
            self.per_layer_model_projection_scale = config.hidden_size**-0.5
            self.per_layer_projection_norm = QualityGateGemma4RMSNorm(
                config.hidden_size_per_layer_input, eps=config.rms_norm_eps
            )

        # Update `_keys_to_ignore_on_load_unexpected` to drop all k/v proj and norms for the shared layers
        self._keys_to_ignore_on_load_unexpected = []
        for i, layer in enumerate(self.layers):
            if layer.self_attn.is_kv_shared_layer:
                self._keys_to_ignore_on_load_unexpected.extend(
                    [f"layers.{i}.self_attn.{name}" for name in ("k_proj", "v_proj", "k_norm", "v_norm")]
                )

        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_quality_scores(QualityGateGemma4TextModelOutputWithPast)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        per_layer_inputs: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        *,
        quality_targets: torch.Tensor | None = None,
        output_router_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> QualityGateGemma4TextModelOutputWithPast:
        r"""
        per_layer_inputs (`torch.Tensor`, *optional*):
            Pre-computed per-layer input text embeddings of shape `(batch_size, sequence_length, num_hidden_layers,
            hidden_size_per_layer_input)`. When provided, these are used directly instead of being computed from `input_ids`
            via `get_per_layer_inputs()` in the text model. If calling the `forward` with `inputs_embeds` instead of `input_ids`,
            you should probably precompute them and forward them along `inputs_embeds`, otherwise recomputing them needs
            to reverse the main embedding, which is expensive.
        quality_targets (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, sequence_length)`, *optional*):
            Labels for the quality loss: 1 for a sample of the quality to train for, 0 for any other, negative where
            it is not known, which costs what it does without labels. One for each token where rows hold several samples.
        output_router_logits (`bool`, *optional*):
            Whether to return the scores of the gates and, where the model has experts, the logits of their routers.
            If it is not given, `config.output_quality_logits` decides; in training, and where `quality_targets` are given,
            they are returned.
        """
        if (input_ids is None) ^ (inputs_embeds is not None):
            raise ValueError("You must specify exactly one of input_ids or inputs_embeds")

        if input_ids is not None and per_layer_inputs is not None:
            raise ValueError("You cannot specify per_layer_inputs if input_ids is provided")

        if input_ids is not None:
            inputs_embeds = self.embed_tokens(input_ids)

        if self.hidden_size_per_layer_input:
            if per_layer_inputs is None:
                per_layer_inputs = self.get_per_layer_inputs(input_ids, inputs_embeds)
            per_layer_inputs = self.project_per_layer_inputs(inputs_embeds, per_layer_inputs)

        if use_cache and cache is None:
            cache = DynamicCache(config=self.config)

        if position_ids is None:
            past_seen_tokens = cache.get_seq_length() if cache is not None else 0
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device) + past_seen_tokens
            position_ids = position_ids.unsqueeze(0)

        # It may already have been prepared by e.g. `generate`
        if not isinstance(causal_mask_mapping := attention_mask, dict):
            # Prepare mask arguments
            mask_kwargs = {
                "config": self.config,
                "inputs_embeds": inputs_embeds,
                "attention_mask": attention_mask,
                "cache": cache,
                "position_ids": position_ids,
            }
            # Create the masks
            causal_mask_mapping = {
                "full_attention": create_causal_mask(**mask_kwargs),
                "sliding_attention": create_sliding_window_causal_mask(**mask_kwargs),
            }

        # embed positions
        hidden_states = inputs_embeds
        position_embeddings = {}
        for layer_type in self.unique_layer_types:
            position_embeddings[layer_type] = self.rotary_emb(hidden_states, position_ids, layer_type)

        # Initialize as empty storage, or reuse past shared states.
        shared_kv_states = kwargs.pop("shared_kv_states", None)
        if not isinstance(shared_kv_states, KVSharingDict):
            shared_kv_states = KVSharingDict(shared_kv_states)

        # decoder layers
        for i, decoder_layer in enumerate(self.layers[: self.config.num_hidden_layers]):
            # Starting at `first_kv_shared_layer_idx`, we will always reuse k/v of previous layers. This means that we can
            # drop the seq_len dimension according to `logits_to_keep` for all remaining layers since we do not look at the past
            # anymore, which leads to much faster forward for large seq_len
            if i == self.first_kv_shared_layer_idx:
                hidden_states, per_layer_inputs, position_embeddings, causal_mask_mapping = (
                    self._maybe_slice_kv_shared_inputs(
                        hidden_states,
                        per_layer_inputs,
                        position_embeddings,
                        causal_mask_mapping,
                        logits_to_keep,
                        cache=cache,
                        **kwargs,
                    )
                )

            per_layer_input = per_layer_inputs[:, :, i, :] if per_layer_inputs is not None else None

            hidden_states = decoder_layer(
                hidden_states,
                per_layer_input,
                shared_kv_states=shared_kv_states,
                position_embeddings=position_embeddings[self.config.layer_types[i]],
                attention_mask=causal_mask_mapping[self.config.layer_types[i]],
                position_ids=position_ids,
                cache=cache,
                **kwargs,
            )

        hidden_states = self.norm(hidden_states)

        return QualityGateGemma4TextModelOutputWithPast(
            last_hidden_state=hidden_states,
            cache=cache,
            shared_kv_states=shared_kv_states if kwargs.get("return_shared_kv_states", False) else None,
        )

    def get_per_layer_inputs(
        self, input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the token-identity component of Per-Layer Embeddings (PLE).

        Looks up `input_ids` in `embed_tokens_per_layer` (a scaled embedding that multiplies
        by `sqrt(hidden_size_per_layer_input)`) and reshapes the packed output from
        `[batch, seq, num_hidden_layers * hidden_size_per_layer_input]` to
        `[batch, seq, num_hidden_layers, hidden_size_per_layer_input]`.

        If only `inputs_embeds` is provided (no `input_ids`), reverses the main embedding
        to recover `input_ids` for the PLE lookup.
        """
        if not self.hidden_size_per_layer_input:
            raise RuntimeError(
                "Attempting to call get_per_layer_inputs() from a model initialized with a config that does not support"
                f" per-layer embeddings. {self.config}"
            )

        # If only inputs_embeds are provided, reverse main embedding to find the input_ids - this allows to `generate`
        # from `inputs_embeds` only as other models (otherwise it would need the value from both embeddings)
        if input_ids is None:
            with torch.no_grad():
                input_ids = (
                    (
                        inputs_embeds[:, :, None, :]
                        == self.embed_tokens.weight[None, None, :, :] * self.config.hidden_size**0.5
                    )
                    .all(dim=3)
                    .nonzero()[:, 2]
                )
                try:
                    input_ids = input_ids.view(inputs_embeds.shape[:2])
                except RuntimeError:
                    raise RuntimeError(
                        "It seems like you tried to call `forward` from `inputs_embeds` without providing `input_ids`, and that "
                        "the `inputs_embeds` you provided do not exactly match the embedding weights. Since QualityGateGemma4 needs to reverse "
                        "the embedding to compute another embedding, make sure you provide exact `inputs_embeds`"
                    )

        return self.embed_tokens_per_layer(input_ids).reshape(
            *input_ids.shape,
            self.config.num_hidden_layers,
            self.hidden_size_per_layer_input,
        )

    def project_per_layer_inputs(
        self,
        inputs_embeds: torch.Tensor,
        per_layer_inputs: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the context-aware component of PLE and combine with token-identity.

        Projects `inputs_embeds` through `per_layer_model_projection` (Linear), scales by
        `1/sqrt(hidden_size)`, reshapes to `[batch, seq, num_layers, ple_dim]`, and normalizes
        with `per_layer_projection_norm` (RMSNorm).

        If `per_layer_inputs` (the token-identity component from `get_per_layer_inputs()`)
        is provided, combines both: `(context_projection + token_identity) * (1/sqrt(2))`.
        If `per_layer_inputs` is None (e.g. for multimodal inputs where input_ids are not
        available), returns just the context projection.
        """
        if not self.hidden_size_per_layer_input:
            raise RuntimeError(
                "Attempting to call project_per_layer_inputs() from a model initialized with a config that does not"
                f" support per-layer embeddings. {self.config}"
            )

        per_layer_projection = self.per_layer_model_projection(inputs_embeds) * self.per_layer_model_projection_scale
        per_layer_projection = per_layer_projection.reshape(
            *inputs_embeds.shape[:-1],
            self.config.num_hidden_layers,
            self.hidden_size_per_layer_input,
        )
        per_layer_projection = self.per_layer_projection_norm(per_layer_projection)

        if per_layer_inputs is None:
            return per_layer_projection

        return (per_layer_projection + per_layer_inputs) * self.per_layer_input_scale

    def _maybe_slice_kv_shared_inputs(
        self,
        hidden_states,
        per_layer_inputs,
        position_embeddings,
        causal_mask_mapping,
        logits_to_keep,
        cache,
        **kwargs,
    ):
        """
        Slices sequence-length inputs to the `logits_to_keep` token positions before entering the KV-shared layers. Because KV-shared
        layers reuse keys and values computed by earlier non-shared layers and do not write to the KV cache, unselected prompt
        positions do not need to be computed through these layers unless full-sequence intermediate states (e.g. `output_hidden_states`,
        `output_attentions`, `output_router_logits`) are requested.
        Note: to simplify, we only allow this optimization for integer `logits_to_keep`, i.e. what `generate` uses. This avoids a lot
        of edge cases regarding masks, and it keeps this method simple.
        """
        batch_size, seq_len = hidden_states.shape[:2]
        record_keys = ("output_hidden_states", "output_attentions", "output_router_logits")
        can_optimize = True
        # If the seq_len is already 1 (i.e. decoding), or we request any additional output, exit early
        if seq_len == 1 or any(kwargs.get(k) or getattr(self.config, k, False) for k in record_keys):
            can_optimize = False
        # To keep it simple, as it's the usual case
        elif not isinstance(logits_to_keep, int):
            can_optimize = False
        # Flex cannot slice mask
        elif self.config._attn_implementation == "flex_attention":  # trf-ignore: TRF051
            can_optimize = False
        # Flash cannot slice mask
        elif is_flash_attention_requested(self.config):
            can_optimize = False
        # In those 2 cases, we cannot rely on the `is_causal` attribute, as dropping some query tokens will make us loose causality
        elif (
            self.config._attn_implementation == "sdpa"  # trf-ignore: TRF051
            and (logits_to_keep > 1 or getattr(cache, "is_compileable", False))
            and any(mask is None for mask in causal_mask_mapping.values())
        ):
            can_optimize = False

        # If we cannot optimize, return untouched inputs will the full seq_len
        if not can_optimize:
            return hidden_states, per_layer_inputs, position_embeddings, causal_mask_mapping

        logits_to_keep = slice(-logits_to_keep, None)
        hidden_states = hidden_states[:, logits_to_keep, :]
        per_layer_inputs = per_layer_inputs[:, logits_to_keep, :, :]
        position_embeddings = {
            k: (cos[:, logits_to_keep, :], sin[:, logits_to_keep, :]) for k, (cos, sin) in position_embeddings.items()
        }
        causal_mask_mapping = {
            k: v[:, :, logits_to_keep, :] if v is not None else None for k, v in causal_mask_mapping.items()
        }

        return hidden_states, per_layer_inputs, position_embeddings, causal_mask_mapping


@auto_docstring(custom_intro="The base Gemma 4 language model with a language modeling head.")
class QualityGateGemma4ForCausalLM(QualityGateGemma4PreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}
    _pp_plan = {"lm_head": (["hidden_states"], ["logits"])}
    _fsdp_plan = {"lm_head": "keep_full_weight"}
    config: QualityGateGemma4TextConfig
    base_model_prefix = "model"

    def __init__(self, config: QualityGateGemma4TextConfig):
        super().__init__(config)
        self.model = QualityGateGemma4TextModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_quality_scores(QualityGateGemma4CausalLMOutputWithPast)
    @auto_docstring
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        per_layer_inputs: torch.Tensor | None = None,
        *,
        quality_targets: torch.Tensor | None = None,
        output_router_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> QualityGateGemma4CausalLMOutputWithPast:
        r"""
        per_layer_inputs (`torch.Tensor`, *optional*):
            Pre-computed per-layer input text embeddings of shape `(batch_size, sequence_length, num_hidden_layers,
            hidden_size_per_layer_input)`. When provided, these are used directly instead of being computed from `input_ids`
            via `get_per_layer_inputs()` in the text model. If calling the `forward` with `inputs_embeds` instead of `input_ids`,
            you should probably precompute them and forward them along `inputs_embeds`, otherwise recomputing them needs
            to reverse the main embedding, which is expensive.
        quality_targets (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, sequence_length)`, *optional*):
            Labels for the quality loss: 1 for a sample of the quality to train for, 0 for any other, negative where
            it is not known, which costs what it does without labels. One for each token where rows hold several samples.
        output_router_logits (`bool`, *optional*):
            Whether to return the scores of the gates and, where the model has experts, the logits of their routers.
            If it is not given, `config.output_quality_logits` decides; in training, and where `quality_targets` are given,
            they are returned.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        # decoder outputs consists of (dec_features, layer_state, dec_hidden, dec_attn)
        outputs: QualityGateGemma4TextModelOutputWithPast = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            per_layer_inputs=per_layer_inputs,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )

        hidden_states = outputs.last_hidden_state
        # May have been already sliced to logits_to_kep
        if hidden_states.shape[1] == (input_ids if input_ids is not None else inputs_embeds).shape[1]:
            hidden_states = slice_logits_to_keep(hidden_states, logits_to_keep)
        logits = self.lm_head(hidden_states)
        if self.config.final_logit_softcapping is not None:
            logits = logits / self.config.final_logit_softcapping
            logits = torch.tanh(logits)
            logits = logits * self.config.final_logit_softcapping

        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, self.vocab_size, **kwargs)

        return QualityGateGemma4CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            cache=outputs.cache,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            shared_kv_states=outputs.shared_kv_states,
            router_logits=outputs.router_logits,
        )


__all__ = [
    "QualityGateGemma4PreTrainedModel",
    "QualityGateGemma4TextModel",
    "QualityGateGemma4ForCausalLM",
    "quality_classification_loss",
]
