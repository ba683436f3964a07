# Generated from modular/modular_select_gate_mixtral.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model select_gate_mixtral`.
# Seal: sha256 3dd31c0cb4bdda29aa00c7daf59afb9eb1078110e4583f42b5b121fa5a86daac
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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature, unwrap
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache
from transformers.configuration_utils import PreTrainedConfig
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.generation import GenerationMixin
from transformers.integrations import use_experts_implementation, use_kernel_forward_from_hub, use_kernelized_func
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask
from transformers.modeling_flash_attention_utils import FlashAttentionKwargs
from transformers.modeling_layers import (
    GenericForQuestionAnswering,
    GenericForSequenceClassification,
    GenericForTokenClassification,
    GradientCheckpointingLayer,
)
from transformers.modeling_outputs import (
    MoeCausalLMOutputWithPast,
    MoeModelOutputWithPast,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutputWithPast,
    TokenClassifierOutput,
)
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS, dynamic_rope_update
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel, slice_logits_to_keep
from transformers.models.auto import AutoModel
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, auto_docstring, can_return_tuple
from transformers.utils.deprecation import deprecate_kwarg
from transformers.utils.generic import maybe_autocast, merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .configuration_select_gate_mixtral import SelectGateMixtralConfig


@dataclass
class SelectGateMixtralOutput(ModelOutput):
    """
    What the gates add to an output.

    lm_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
        The loss of the head alone, for a language model the language modeling loss; `loss` is the sum of all.
    quality_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with the scores):
        The quality loss, mean over layers, before it is weighted.
    aux_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with `labels`, or with `output_router_logits=True`):
        The weighted quality loss, and the load balancing loss where `config.enable_load_balancing` says so.
    quality_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        One tensor of shape `(batch_size, sequence_length, 1)` for every layer with a gate: its scores before the sigmoid.
    router_logits (`tuple(dict[str, torch.FloatTensor])`, *optional*, returned when `output_router_logits=True`):
        One dictionary for every layer with a gate: `"quality_score"`, as above, and, where the base returns the logits of
        its routers, these as `"moe_logits"` of shape `(batch_size * sequence_length, num_experts)`.
    """

    lm_loss: torch.FloatTensor | None = None
    quality_loss: torch.FloatTensor | None = None
    aux_loss: torch.FloatTensor | None = None
    quality_logits: tuple[torch.FloatTensor, ...] | None = None
    router_logits: tuple[dict[str, torch.FloatTensor], ...] | None = None


@dataclass
class SelectGateMixtralModelOutputWithPast(SelectGateMixtralOutput, MoeModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class SelectGateMixtralCausalLMOutputWithPast(SelectGateMixtralOutput, MoeCausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


@dataclass
class SelectGateMixtralSequenceClassifierOutputWithPast(SelectGateMixtralOutput, SequenceClassifierOutputWithPast):
    """The output of a sequence classifier with what its gates say."""


@dataclass
class SelectGateMixtralTokenClassifierOutput(SelectGateMixtralOutput, TokenClassifierOutput):
    """The output of a token classifier with what its gates say."""


@dataclass
class SelectGateMixtralQuestionAnsweringModelOutput(SelectGateMixtralOutput, QuestionAnsweringModelOutput):
    """The output of a question answering model with what its gates say."""


def good_ratios_of(scores: torch.Tensor, opens: bool) -> torch.Tensor:
    """Scores to good ratios: their sigmoid; of gates that start open twice the sigmoid, up to 1.

    There the gradient is that of the doubled sigmoid, so that a gate that is wholly open can still close.
    """
    ratios = scores.sigmoid()
    if opens:
        ratios = 2 * ratios
        ratios = ratios - (ratios - 1).clamp(min=0).detach()
    return ratios


@torch.no_grad()
def noise_like(hidden_states: torch.Tensor) -> torch.Tensor:
    """Normal noise with each token's own mean and standard deviation over its channels; it carries no gradient."""
    wide = hidden_states.float()
    std, mean = torch.std_mean(wide, dim=-1, keepdim=True)
    return (mean + (std + 1e-8) * torch.randn_like(wide)).to(hidden_states.dtype)


class SelectGateMixtralGate(nn.Module):
    """Scores how good each token is, by one linear map of the mixture's normed input, and mixes by it.

    Source: Select-MoE; its output is `good_ratio * experts + (1 - good_ratio) * trash`.
    """

    def __init__(self, config: SelectGateMixtralConfig):
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, 1, bias=False, dtype=torch.float32)
        self.gate.selects_experts = True  # tells `_init_weights`, which for custom code sees no module without weights
        self.opens = config.select_gate_init == "open"
        self.mode = config.trash_expert_mode
        self.trash = None  # in the mode "custom" the module that the model's class makes

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """`[batch, tokens, hidden_size]` to score and good ratio, `[batch, tokens, 1]` in float32, and the trash.

        The trash has the shape of the input; it is None where it is zero.
        """
        with maybe_autocast(hidden_states.device.type, enabled=False):
            quality_score = self.gate(hidden_states.to(self.gate.weight.dtype)).float()
            good_ratio = good_ratios_of(quality_score, self.opens)
        return quality_score, good_ratio, self.trash_of(hidden_states)

    def trash_of(self, hidden_states: torch.Tensor) -> torch.Tensor | None:
        """What tokens get as far as they are not good. Raises NotImplementedError in the mode "custom" without a module."""
        if self.mode == "zero":
            return None
        if self.mode == "noise":
            return noise_like(hidden_states)
        if self.trash is None:
            raise NotImplementedError(
                '`trash_expert_mode` is "custom", but nothing says which module that is: assign a class or function that '
                "makes it from a config to `trash_expert` of the model's class, before the model is built."
            )
        return self.trash(hidden_states)

    @staticmethod
    def mix(output: torch.Tensor, good_ratio: torch.Tensor, trash: torch.Tensor | None) -> torch.Tensor:
        """The experts' output as far as a token is good, and the trash for the rest."""
        mixed = good_ratio.to(output.dtype) * output
        if trash is None:
            return mixed
        return mixed + (1 - good_ratio).to(output.dtype) * trash


class SelectGateMixtralTopKRouter(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.top_k = config.num_experts_per_tok
        self.num_experts = config.num_local_experts
        self.hidden_dim = config.hidden_size
        self.weight = nn.Parameter(torch.empty(self.num_experts, self.hidden_dim))

    def forward(self, hidden_states):
        hidden_states = hidden_states.reshape(-1, self.hidden_dim)
        router_logits = F.linear(hidden_states, self.weight)  # (seq_len, num_experts)
        router_probs = torch.nn.functional.softmax(router_logits.float(), dim=-1)
        router_top_value, router_indices = torch.topk(router_probs, self.top_k, dim=-1)  # (seq_len, top_k)
        router_top_value /= router_top_value.sum(dim=-1, keepdim=True)
        router_scores = router_top_value
        return router_logits, router_scores, router_indices


def rotate_half(x):
    """Rotates half the hidden dims of the input."""
    x1 = x[..., : x.shape[-1] // 2]
    x2 = x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


@use_kernel_forward_from_hub("rotary_pos_emb")
def apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=1):
    """Applies Rotary Position Embedding to the query and key tensors.

    Args:
        q (`torch.Tensor`): The query tensor.
        k (`torch.Tensor`): The key tensor.
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
    q_embed = (q * cos) + (rotate_half(q) * sin)
    k_embed = (k * cos) + (rotate_half(k) * sin)
    return q_embed, k_embed


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
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Unpack[TransformersKwargs],
):
    key_states = repeat_kv(key, module.num_key_value_groups)
    value_states = repeat_kv(value, module.num_key_value_groups)

    attn_weights = torch.matmul(query, key_states.transpose(2, 3)) * scaling
    if attention_mask is not None:
        attn_weights = attn_weights + attention_mask

    attn_weights = nn.functional.softmax(attn_weights, dim=-1, dtype=torch.float32).to(query.dtype)
    attn_weights = nn.functional.dropout(attn_weights, p=dropout, training=module.training)
    attn_output = torch.matmul(attn_weights, value_states)
    attn_output = attn_output.transpose(1, 2).contiguous()

    return attn_output, attn_weights


@use_kernelized_func(apply_rotary_pos_emb)
class SelectGateMixtralAttention(nn.Module):
    """Multi-headed attention from 'Attention Is All You Need' paper"""

    def __init__(self, config: SelectGateMixtralConfig, layer_idx: int):
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.attention_dropout
        self.is_causal = True
        self.q_proj = nn.Linear(config.hidden_size, config.num_attention_heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, config.num_key_value_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, config.num_key_value_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(config.num_attention_heads * self.head_dim, config.hidden_size, bias=False)

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None,
        cache: Cache | None = None,
        **kwargs: Unpack[FlashAttentionKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        input_shape = hidden_states.shape[:-1]
        hidden_shape = (*input_shape, -1, self.head_dim)

        query_states = self.q_proj(hidden_states).view(hidden_shape).transpose(1, 2)
        key_states = self.k_proj(hidden_states).view(hidden_shape).transpose(1, 2)
        value_states = self.v_proj(hidden_states).view(hidden_shape).transpose(1, 2)

        cos, sin = position_embeddings
        query_states, key_states = apply_rotary_pos_emb(query_states, key_states, cos, sin)

        if cache is not None:
            key_states, value_states = cache.update(key_states, value_states, self.layer_idx, kwargs=kwargs)

        attention_interface: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )

        attn_output, attn_weights = attention_interface(
            self,
            query_states,
            key_states,
            value_states,
            attention_mask,
            dropout=0.0 if not self.training else self.attention_dropout,
            scaling=self.scaling,
            sliding_window=getattr(self.config, "sliding_window", None),  # main diff with Llama
            **kwargs,
        )

        attn_output = attn_output.reshape(*input_shape, -1).contiguous()
        attn_output = self.o_proj(attn_output)
        return attn_output, attn_weights


@use_experts_implementation
class SelectGateMixtralExperts(nn.Module):
    """Collection of expert weights stored as 3D tensors."""

    def __init__(self, config: SelectGateMixtralConfig):
        super().__init__()
        self.num_experts = config.num_local_experts
        self.hidden_dim = config.hidden_size
        self.intermediate_dim = config.intermediate_size
        self.gate_up_proj = nn.Parameter(torch.empty(self.num_experts, 2 * self.intermediate_dim, self.hidden_dim))
        self.down_proj = nn.Parameter(torch.empty(self.num_experts, self.hidden_dim, self.intermediate_dim))
        self.act_fn = ACT2FN[config.hidden_act]

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


class SelectGateMixtralSparseMoeBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.top_k = config.num_experts_per_tok
        self.jitter_noise = config.router_jitter_noise
        self.gate = SelectGateMixtralTopKRouter(config)
        self.experts = SelectGateMixtralExperts(config)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        batch_size, sequence_length, hidden_dim = hidden_states.shape
        if self.training and self.jitter_noise > 0:
            hidden_states *= torch.empty_like(hidden_states).uniform_(1.0 - self.jitter_noise, 1.0 + self.jitter_noise)
        hidden_states = hidden_states.view(-1, hidden_states.shape[-1])
        _, top_k_weights, top_k_index = self.gate(hidden_states)
        hidden_states = self.experts(hidden_states, top_k_index, top_k_weights)
        hidden_states = hidden_states.reshape(batch_size, sequence_length, hidden_dim)
        return hidden_states


@use_kernel_forward_from_hub("RMSNorm")
class SelectGateMixtralRMSNorm(nn.Module):
    def __init__(self, hidden_size, eps: float = 1e-6) -> None:
        """
        SelectGateMixtralRMSNorm is equivalent to T5LayerNorm
        """
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.variance_epsilon = eps

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        input_dtype = hidden_states.dtype
        hidden_states = hidden_states.to(torch.float32)
        variance = hidden_states.pow(2).mean(-1, keepdim=True)
        hidden_states = hidden_states * torch.rsqrt(variance + self.variance_epsilon)
        return self.weight * hidden_states.to(input_dtype)

    def extra_repr(self):
        return f"{tuple(self.weight.shape)}, eps={self.variance_epsilon}"


class SelectGateMixtralDecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: SelectGateMixtralConfig, layer_idx: int):
        super().__init__()
        self.hidden_size = config.hidden_size

        self.self_attn = SelectGateMixtralAttention(config, layer_idx)

        self.mlp = SelectGateMixtralSparseMoeBlock(config)
        self.input_layernorm = SelectGateMixtralRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = SelectGateMixtralRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.select_gate = SelectGateMixtralGate(config)

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        residual = hidden_states
        hidden_states = self.input_layernorm(hidden_states)
        hidden_states, _ = self.self_attn(
            hidden_states=hidden_states,
            position_embeddings=position_embeddings,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            **kwargs,
        )
        hidden_states = residual + hidden_states
        residual = hidden_states
        hidden_states = self.post_attention_layernorm(hidden_states)
        _, good_ratio, trash = self.select_gate(hidden_states)
        hidden_states = self.mlp(hidden_states)
        hidden_states = self.select_gate.mix(hidden_states, good_ratio, trash)
        hidden_states = residual + hidden_states
        return hidden_states


def set_trash_experts(model: PreTrainedModel) -> None:
    """Give each gate of the mode "custom" the module that the model's class says, where it has none."""
    make = type(model).trash_expert  # of the class, where a function stays one
    if make is None or model.config.get_text_config().trash_expert_mode != "custom":
        return
    for name, module in model.named_modules():
        if name.endswith(".select_gate") and module.trash is None:
            module.trash = make(model.config.get_text_config())


def rename_select_moe(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a `select_moe` checkpoint by the names that they have here.

    Source: Select-MoE, whose layers are OLMoE's with the mixture as `normal_moe` and the gate as `quality_gate`. Experts
    may be stored one by one or in one tensor: `from_pretrained` puts those of OLMoE together either way.

    Args:
        weights: the tensors of a checkpoint by their names; those of other parts are taken over as they are.

    Raises:
        ValueError: two tensors would have one name.
    """
    found: dict[str, torch.Tensor] = {}
    for name, weight in weights.items():
        new = name.replace(".normal_moe.", ".mlp.")
        new = re.sub(r"\.quality_gate\.(?:gate\.)?(weight)$", r".select_gate.gate.\1", new)
        if new in found:
            raise ValueError(f"`{name}` would be called `{new}`, as another tensor of this checkpoint is.")
        found[new] = weight
    return found


def loss_function_of_base(model: PreTrainedModel, find: Callable = PreTrainedModel.loss_function.fget) -> Callable:
    """The loss function of a model, called as its base calls it: a forward hands on what the gates are asked as well.

    `find` is a default since `torch.compile` does not look into properties.
    """
    own = find(model)

    def loss_function(*args, hand_on_scores=None, output_router_logits=None, **kwargs):
        return own(*args, **kwargs)

    return loss_function


def experts_of_a_token(config: PreTrainedConfig) -> int:
    """How many experts a token is routed to, whatever the base calls that; 0 where it says nothing of the kind."""
    found = (getattr(config, name, None) for name in EXPERTS_OF_A_TOKEN)
    return next((number for number in found if isinstance(number, int)), 0)


def check_select_gate_config(config: PreTrainedConfig) -> None:
    """Raise a ValueError that names the first gate field out of range, its value and what is allowed."""
    for name, choices in SELECT_GATE_CHOICES.items():
        value = getattr(config, name)
        if value not in choices:
            raise ValueError(f"`{name}` is {value!r}, but must be one of {', '.join(choices)}.")
    for name, (low, high) in SELECT_GATE_RANGES.items():
        value = getattr(config, name)
        if not isinstance(value, float | int) or not low <= value <= high or math.isinf(value):
            raise ValueError(f"`{name}` is {value!r}, but must be a number from {low} to {high}.")


def check_load_balancing(model: PreTrainedModel, config: PreTrainedConfig) -> None:
    """Raise a ValueError where load balancing is wanted of a base whose routers hand nothing on."""
    text = config.get_text_config()
    hands_on = "router_logits" in (type(model)._can_record_outputs or {}) and experts_of_a_token(text) > 0
    if text.enable_load_balancing and not hands_on:
        raise ValueError(
            "`enable_load_balancing` is True, but must be False here: this base does not return the logits of its routers."
        )


SELECT_GATE_RANGES = {
    "quality_gate_init_mean": (-math.inf, math.inf),
    "quality_gate_init_std": (0, math.inf),
    "quality_loss_weight": (0, math.inf),
    "router_aux_loss_coef": (0, math.inf),
    "beta_target_mean": (0, 1),
    "beta_target_var": (0, 0.25),  # no distribution on [0, 1] varies more
    "w_mean": (0, math.inf),
    "w_var": (0, math.inf),
    "lambda_var": (0, math.inf),
}


SELECT_GATE_CHOICES = {
    "select_gate_init": ("normal", "open"),
    "trash_expert_mode": ("zero", "noise", "custom"),
    "quality_loss_type": (
        "sigmoid",
        "linear",
        "mse",
        "beta_moment_matching",
        "mean_variance_regularization",
        "custom",
    ),
}


EXPERTS_OF_A_TOKEN = ("num_experts_per_tok", "moe_topk", "moe_top_k", "moe_k", "top_k_experts")


@auto_docstring
class SelectGateMixtralPreTrainedModel(PreTrainedModel):
    config: SelectGateMixtralConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["SelectGateMixtralDecoderLayer"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True

    _can_compile_fullgraph = True
    _supports_attention_backend = True
    _can_record_outputs = {
        "router_logits": OutputRecorder(SelectGateMixtralTopKRouter, index=0),
        "hidden_states": SelectGateMixtralDecoderLayer,
        "attentions": SelectGateMixtralAttention,
        "quality_logits": OutputRecorder(SelectGateMixtralGate, index=0),
    }
    _keep_in_fp32_modules_strict = ["select_gate.gate"]  # small updates of bfloat16 weights would round to nothing
    rename_select_moe = staticmethod(rename_select_moe)
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)
    trash_expert = None  # makes the module of the mode "custom": a class or function of the configuration
    quality_loss_function = None  # the loss of the type "custom", from good ratios and mask to what each token costs

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        std = self.config.initializer_range
        if isinstance(module, SelectGateMixtralExperts):
            init.normal_(module.gate_up_proj, mean=0.0, std=std)
            init.normal_(module.down_proj, mean=0.0, std=std)
        elif isinstance(module, SelectGateMixtralTopKRouter):
            init.normal_(module.weight, mean=0.0, std=std)
        if getattr(module, "selects_experts", False):
            if self.config.select_gate_init == "open":
                init.zeros_(module.weight)
            else:
                mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
                init.normal_(module.weight, mean=mean, std=std)

    def __init__(self, config: SelectGateMixtralConfig, *inputs, **kwargs):
        check_select_gate_config(config)
        check_load_balancing(self, config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), SelectGateMixtralModel, exist_ok=True)
        # Checkpoints of the base hold weights in another form than the model
        for ours, base in (("select_gate_mixtral", "mixtral"),):
            names = get_checkpoint_conversion_mapping(base)
            register_checkpoint_conversion_mapping(ours, names, overwrite=True)
        super().__init__(config, *inputs, **kwargs)

    def post_init(self):
        set_trash_experts(self)
        super().post_init()


class SelectGateMixtralRotaryEmbedding(nn.Module):
    def __init__(self, config: SelectGateMixtralConfig):
        super().__init__()
        self.max_seq_len_cached = config.max_position_embeddings
        self.original_max_seq_len = config.max_position_embeddings

        self.config = config

        self.rope_type = self.config.rope_parameters["rope_type"]
        rope_init_fn: Callable = self.compute_default_rope_parameters
        if self.rope_type != "default":
            rope_init_fn = ROPE_INIT_FUNCTIONS[self.rope_type]
        inv_freq, self.attention_scaling = rope_init_fn(self.config)

        self.inv_freq = nn.Buffer(inv_freq, persistent=False)
        self.original_inv_freq = nn.Buffer(inv_freq.clone(), persistent=False)

    @staticmethod
    def compute_default_rope_parameters(config: SelectGateMixtralConfig, **kwargs) -> tuple[torch.Tensor, float]:
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

        attention_factor = 1.0  # Unused in this type of RoPE
        # Compute the inverse frequencies
        inv_freq = 1.0 / (base ** (torch.arange(0, dim, 2, dtype=torch.float) / dim))
        return inv_freq, attention_factor

    @dynamic_rope_update  # power user: used with advanced RoPE types (e.g. dynamic rope)
    def forward(self, x, position_ids):
        freqs = position_ids[..., None].float() * self.inv_freq.to(device=x.device, dtype=torch.float)
        emb = torch.cat((freqs, freqs), dim=-1)
        cos = emb.cos() * self.attention_scaling
        sin = emb.sin() * self.attention_scaling

        return cos.to(dtype=x.dtype), sin.to(dtype=x.dtype)


def share_of_batch(
    labels: torch.Tensor | None, num_items_in_batch: torch.Tensor | int | None, device: torch.device
) -> torch.Tensor | float:
    """The share of a whole batch's labels that this call sees, so that accumulated losses add up to the batch's."""
    if labels is None or num_items_in_batch is None:
        return 1.0
    targets = labels[..., 1:] if labels.ndim > 1 else labels
    return targets.ne(-100).sum().to(device) / torch.as_tensor(num_items_in_batch, device=device)


def select_quality_loss(
    quality_logits: tuple[torch.Tensor, ...] | None,
    config: PreTrainedConfig,
    attention_mask: torch.Tensor | None = None,
    loss_function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """
    The quality loss of gate scores, mean over layers.

    Source: Select-MoE; moments are taken of each layer, and keep the gradients that they lost there.

    Args:
        quality_logits: one tensor `[batch, tokens, 1]` for every layer with a gate, before the sigmoid.
        config: the configuration of the gated text model: `quality_loss_type` and the fields that go with it.
        attention_mask: `[batch, tokens]`, nonzero where a token counts; it may be longer by the tokens of a cache.
            Masks of another rank are for attention alone: every token counts.
        loss_function: for the type `"custom"`, from good ratios and mask, both `[batch, tokens]`, to what each token
            costs, `[batch, tokens]`.

    Returns:
        A scalar in float32: 0 where there are no scores or no token counts.

    Raises:
        ValueError: an unknown loss type, a custom one without a function, or a mask that does not fit the scores.
    """
    if not quality_logits:
        return torch.zeros(())
    device = quality_logits[0].device
    scores = torch.cat([each.to(device) for each in quality_logits], -1).float().movedim(-1, 0)
    valid = counted_tokens(attention_mask, scores)
    scores = scores.masked_fill(valid == 0, 0)  # whatever padding holds, NaN included, stays out
    ratios = good_ratios_of(scores, config.select_gate_init == "open")
    if config.quality_loss_type in ("beta_moment_matching", "mean_variance_regularization"):
        losses = losses_of_moments(ratios, valid, config)
    else:
        losses = averaged_costs(costs_of_tokens(ratios, valid, config, loss_function), valid, config)
    if config.quality_loss_debug and not torch.compiler.is_compiling():
        print_select_scores(scores, losses)
    return losses.mean()


def returns_select_scores(output_class: type[ModelOutput]) -> Callable[[Callable], Callable]:
    """Decorate the `forward` of a model or head: it returns the scores of the gates, with their losses.

    It names a keyword argument, so that it goes nowhere else:

        output_router_logits: whether to return scores and routers' logits. Where it is not given, they are returned if
            the config's `output_router_logits` says so, and in training.

    With scores it also returns their quality loss, and adds it to the loss where there is one. `aux_loss`, which stands
    before the logits in a tuple, is returned where a call has labels or asks for the scores itself. A step of generation,
    which has a cache and no labels, has no quality loss.
    """

    def decorate(forward: Callable) -> Callable:
        own = signature(forward).parameters
        names = [name for name, each in own.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]

        @wraps(forward)
        def wrapper(self, *args, **kwargs):
            if "hand_on_scores" in kwargs:  # a head asks, and answers for this model
                return forward(self, *args, **kwargs)
            named = dict(zip(names[1:], args))
            if len(named) < len(args) or named.keys() & kwargs:
                return unwrap(forward)(self, *args, **kwargs)  # Python says what is wrong
            kwargs.update(named)
            asks = kwargs.pop("output_router_logits", None)
            given = dict(kwargs)
            asked = asks
            if asks is None:
                asked = self.config.get_text_config().output_router_logits or self.training
            # Heads drop what they do not know of the base model's output, so scores go around them
            scores = SelectGateMixtralScores(asked)
            kwargs |= {"hand_on_scores": scores, "output_router_logits": asked and balances_load(self, **given)}
            given |= {"asks": asks, "balances": kwargs["output_router_logits"]}
            fields = dict(forward(self, **kwargs))
            return output_class(**add_select_scores(self, fields, scores.quality_logits, scores.moe_logits, **given))

        return can_return_tuple(wrapper)

    return decorate


def records_select_scores(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, between `returns_select_scores` and `capture_outputs`.

    Raises:
        ValueError: gradients are wanted, but the scores carry none.
    """

    @wraps(forward)
    def wrapper(self, *args, hand_on_scores: SelectGateMixtralScores, **kwargs):
        kwargs |= {"return_dict": True, "output_router_logits": hand_on_scores.asked}
        kwargs["output_quality_logits"] = hand_on_scores.asked
        outputs = forward(self, *args, **kwargs)
        logits = outputs.get("quality_logits")
        if logits and torch.is_grad_enabled() and not logits[-1].requires_grad:
            if any(weight.requires_grad for name, weight in self.named_parameters() if ".select_gate.gate." in name):
                raise ValueError(
                    "The quality scores carry no gradients: reentrant gradient checkpointing computes them without. "
                    "Use `gradient_checkpointing_kwargs={'use_reentrant': False}`, or ask for no scores: "
                    "`output_router_logits=False`."
                )
        hand_on_scores.quality_logits, hand_on_scores.moe_logits = logits, outputs.get("router_logits")
        return outputs

    return wrapper


def print_select_scores(scores: torch.Tensor, losses: torch.Tensor) -> None:
    """Print range and mean of the scores and the quality loss of every fifth layer."""
    print(f"quality loss of {len(scores)} layers: {losses.mean().item():.6f}")
    for layer, own in list(enumerate(scores.detach()))[::5]:
        told = f"min {own.min().item():.4f}, max {own.max().item():.4f}, mean {own.mean().item():.4f}"
        print(f"  layer {layer}: shape {tuple(own.shape)}, {told}, loss {losses[layer].item():.6f}")


def paired_logits(
    quality_logits: tuple[torch.Tensor, ...], moe_logits: tuple[torch.Tensor, ...] | None
) -> tuple[dict[str, torch.Tensor], ...]:
    """Each gate's scores with the logits of its mixture's router, where the base returns one for every gate."""
    if not moe_logits or len(moe_logits) != len(quality_logits):
        return tuple({"quality_score": score} for score in quality_logits)
    return tuple({"quality_score": score, "moe_logits": logits} for score, logits in zip(quality_logits, moe_logits))


def losses_of_moments(ratios: torch.Tensor, valid: torch.Tensor, config: PreTrainedConfig) -> torch.Tensor:
    """Each layer's cost of the mean and the unbiased variance of its ratios over all valid tokens: `[layers]`."""
    tokens = valid.sum()
    means = (ratios * valid).sum((1, 2)) / tokens.clamp(min=1)
    deviations = (ratios - means[:, None, None]) * valid
    variances = deviations.square().sum((1, 2)) / (tokens - 1).clamp(min=1)  # 0 for one token, which has none
    if config.quality_loss_type == "mean_variance_regularization":
        losses = (means - 0.5).square() - config.lambda_var * variances
    else:
        losses = config.w_mean * (means - config.beta_target_mean).square()
        losses = losses + config.w_var * (variances - config.beta_target_var).square()
    return losses * tokens.gt(0)


def counted_tokens(attention_mask: torch.Tensor | None, scores: torch.Tensor) -> torch.Tensor:
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


def costs_of_tokens(
    ratios: torch.Tensor, valid: torch.Tensor, config: PreTrainedConfig, loss_function: Callable | None
) -> torch.Tensor:
    """What the good ratio of each token costs: `[layers, batch, tokens]`."""
    if config.quality_loss_type in ("sigmoid", "linear"):
        return ratios
    if config.quality_loss_type == "mse":
        return ratios.square()
    if config.quality_loss_type == "custom" and loss_function is not None:
        return torch.stack([loss_function(each, valid) for each in ratios])
    wanted = "a model class with a `quality_loss_function`, which this has not"
    if config.quality_loss_type != "custom":
        wanted = "one of sigmoid, linear, mse, beta_moment_matching, mean_variance_regularization, custom"
    raise ValueError(f"`quality_loss_type` is {config.quality_loss_type!r}, but must be {wanted}.")


def balancing_loss(
    moe_logits: tuple[torch.Tensor, ...], chosen: int, attention_mask: torch.Tensor | None = None
) -> torch.Tensor:
    """The load balancing loss of routers: experts times the sum, over experts, of the share of choices and of probability.

    Source: Switch Transformers (arXiv 2101.03961), equations 4 to 6, over all layers and the `chosen` experts of a token, as
    transformers computes it. `moe_logits` are `[batch * tokens, experts]`, the mask `[batch, tokens]`.
    """
    device = moe_logits[0].device
    logits = torch.cat([each.to(device).flatten(0, -2) for each in moe_logits]).float()
    counted = torch.ones_like(logits[:, :1])
    if attention_mask is not None:
        counted = attention_mask.to(device).ne(0).flatten().repeat(len(moe_logits))[:, None].to(logits.dtype)
    probabilities = logits.softmax(-1)
    choices = torch.zeros_like(logits).scatter(-1, logits.topk(chosen, -1).indices, 1.0)
    tokens = counted.sum().clamp(min=1)
    shares = (choices * counted).sum(0) / tokens * ((probabilities * counted).sum(0) / tokens)
    return logits.shape[-1] * shares.sum()


def balances_load(
    model: PreTrainedModel,
    input_ids: torch.Tensor | None = None,
    inputs_embeds: torch.Tensor | None = None,
    attention_mask: torch.Tensor | None = None,
    **kwargs,
) -> bool:
    """Whether a call has a load balancing loss: the config says so, and the mask is that of the tokens.

    With a cache it is longer than the routers' logits or prepared for attention, and the base's loss fails on it.
    """
    tokens = input_ids if input_ids is not None else inputs_embeds
    if not model.config.get_text_config().enable_load_balancing or tokens is None:
        return False
    if attention_mask is None:
        return True
    return isinstance(attention_mask, torch.Tensor) and attention_mask.shape == tokens.shape[:2]


def averaged_costs(costs: torch.Tensor, valid: torch.Tensor, config: PreTrainedConfig) -> torch.Tensor:
    """Each layer's mean over all tokens that count, or over samples with one, of which each is a mean: `[layers]`."""
    if not config.sample_wise_averaging:
        return (costs * valid).sum((1, 2)) / valid.sum().clamp(min=1)
    tokens = valid.sum(-1)
    samples = (costs * valid).sum(-1) / tokens.clamp(min=1)
    return samples.sum(-1) / tokens.gt(0).sum().clamp(min=1)


def add_select_scores(
    model: PreTrainedModel,
    fields: dict[str, Any],
    quality_logits: tuple[torch.Tensor, ...] | None,
    moe_logits: tuple[torch.Tensor, ...] | None,
    attention_mask: torch.Tensor | None = None,
    cache: Any = None,
    past_key_values: Any = None,
    labels: torch.Tensor | None = None,
    num_items_in_batch: torch.Tensor | int | None = None,
    asks: bool | None = None,
    balances: bool = False,
    **kwargs,
) -> dict[str, Any]:
    """The fields of a base's output, and those that the gates add."""
    config = model.config.get_text_config()
    coefficient = getattr(model, "router_aux_loss_coef", config.router_aux_loss_coef)
    loss, balance = fields.get("loss"), fields.pop("aux_loss", None)
    if loss is not None:  # the base has added its load balancing loss
        fields["lm_loss"] = loss if balance is None else loss - coefficient * balance.to(loss.device)
    if not quality_logits:
        return fields
    if balances and balance is None and moe_logits:
        balance = balancing_loss(moe_logits, experts_of_a_token(config), attention_mask)
        if loss is not None:
            loss = loss + coefficient * balance.to(loss.device)
    fields["quality_logits"] = quality_logits
    fields["router_logits"] = paired_logits(quality_logits, moe_logits)
    has_cache = cache is not None or past_key_values is not None  # releases name it one way or the other
    if has_cache and labels is None:
        return fields  # a step of generation: the loss of its few tokens is nobody's
    custom = vars(model).get("quality_loss_function", type(model).quality_loss_function)
    quality_loss = select_quality_loss(quality_logits, config, attention_mask, custom)
    weighted = config.quality_loss_weight * quality_loss
    fields["quality_loss"] = quality_loss
    if asks or labels is not None:
        fields["aux_loss"] = weighted if balance is None else balance.to(weighted.device) + weighted
    if loss is not None:
        share = share_of_batch(labels, num_items_in_batch, loss.device)
        fields["loss"] = loss + coefficient * share * weighted.to(loss.device)
    return fields


class SelectGateMixtralScores:
    """Whether one call wants scores, and what came of it: what goes between a head and its base model."""

    def __init__(self, asked: bool):
        self.asked = asked
        self.quality_logits: tuple[torch.Tensor, ...] | None = None
        self.moe_logits: tuple[torch.Tensor, ...] | None = None


@auto_docstring
class SelectGateMixtralModel(SelectGateMixtralPreTrainedModel):
    _tp_plan = {"layers.*.select_gate.gate": "replicate"}

    def __init__(self, config: SelectGateMixtralConfig):
        super().__init__(config)
        self.padding_idx = config.pad_token_id
        self.vocab_size = config.vocab_size

        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, self.padding_idx)
        self.layers = nn.ModuleList(
            [SelectGateMixtralDecoderLayer(config, layer_idx) for layer_idx in range(config.num_hidden_layers)]
        )
        self.norm = SelectGateMixtralRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = SelectGateMixtralRotaryEmbedding(config=config)
        self.gradient_checkpointing = False

        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_select_scores(SelectGateMixtralModelOutputWithPast)
    @records_select_scores
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
        use_cache: bool | None = None,
        *,
        output_router_logits: bool | None = None,
        output_quality_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MoeModelOutputWithPast:
        r"""
        output_router_logits (`bool`, *optional*):
            Whether to return the scores of the gates and the logits of the routers. If it is not given,
            `config.output_router_logits` decides; in training they are returned.
        output_quality_logits (`bool`, *optional*):
            Whether to record the scores of the gates alone, which is what a head asks of its base model.
        """
        if (input_ids is None) ^ (inputs_embeds is not None):
            raise ValueError("You must specify exactly one of input_ids or inputs_embeds")

        if use_cache and cache is None:
            cache = DynamicCache(config=self.config)

        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)

        if position_ids is None:
            past_seen_tokens = cache.get_seq_length() if cache is not None else 0
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device) + past_seen_tokens
            position_ids = position_ids.unsqueeze(0)

        mask_function = create_causal_mask if self.config.sliding_window is None else create_sliding_window_causal_mask
        causal_mask = mask_function(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            cache=cache,
            position_ids=position_ids,
        )

        hidden_states = inputs_embeds
        position_embeddings = self.rotary_emb(hidden_states, position_ids=position_ids)

        for decoder_layer in self.layers[: self.config.num_hidden_layers]:
            hidden_states = decoder_layer(
                hidden_states,
                attention_mask=causal_mask,
                position_ids=position_ids,
                cache=cache,
                use_cache=use_cache,
                position_embeddings=position_embeddings,
                **kwargs,
            )

        hidden_states = self.norm(hidden_states)

        return MoeModelOutputWithPast(  # only diff with Mistral is the output type, we need MoE
            last_hidden_state=hidden_states,
            cache=cache,
        )


def load_balancing_loss_func(
    gate_logits: torch.Tensor | tuple[torch.Tensor] | None,
    num_experts: int | None = None,
    top_k=2,
    attention_mask: torch.Tensor | None = None,
) -> torch.Tensor | int:
    r"""
    Computes auxiliary load balancing loss as in Switch Transformer - implemented in Pytorch.

    See Switch Transformer (https://huggingface.co/papers/2101.03961) for more details. This function implements the loss
    function presented in equations (4) - (6) of the paper. It aims at penalizing cases where the routing between
    experts is too unbalanced.

    Args:
        gate_logits:
            Logits from the `gate`, should be a tuple of model.config.num_hidden_layers tensors of
            shape [batch_size X sequence_length, num_experts].
        num_experts:
            Number of experts
        top_k:
            The number of experts to route per-token, can be also interpreted as the `top-k` routing
            parameter.
        attention_mask (`torch.Tensor`, *optional*):
            The attention_mask used in forward function
            shape [batch_size X sequence_length] if not None.

    Returns:
        The auxiliary loss.
    """
    if gate_logits is None or not isinstance(gate_logits, tuple):
        return 0

    # Accumulate assignment counts and probability sums layer by layer, normalizing at the end,
    # so peak memory stays O(seq_len * num_experts) regardless of the number of layers.
    compute_device = gate_logits[0].device
    # Use histc to avoid bincount's device-to-host sync.
    # GPU requires integers for determinism; CPU and MPS require floats for support and determinism.
    histc_dtype = torch.float32 if compute_device.type in ("cpu", "mps") else torch.int32
    tokens_per_expert_sum = torch.zeros(num_experts, dtype=torch.float32, device=compute_device)
    router_prob_sum = torch.zeros(num_experts, dtype=torch.float32, device=compute_device)
    total_rows = 0.0

    if attention_mask is not None:
        # The same flat mask applies to every layer's [batch_size * sequence_length] rows.
        flat_mask = attention_mask.reshape(-1).to(device=compute_device, dtype=torch.float32)

    for layer_gate in gate_logits:
        routing_weights = torch.nn.functional.softmax(layer_gate.to(compute_device), dim=-1)
        _, selected_experts = torch.topk(routing_weights, top_k, dim=-1)
        if attention_mask is None:
            # Count top-k assignments with fixed bounds to avoid a device-to-host sync.
            tokens_per_expert_sum = tokens_per_expert_sum + torch.histc(
                selected_experts.reshape(-1).to(histc_dtype), bins=num_experts, min=0, max=num_experts
            )
            # Sum of routing probabilities per expert
            router_prob_sum = router_prob_sum + routing_weights.float().sum(dim=0)
            total_rows = total_rows + routing_weights.shape[0]
        else:
            # Same reductions, weighted by the attention mask to exclude padding tokens
            tokens_per_expert_sum = tokens_per_expert_sum + torch.zeros(
                num_experts, dtype=torch.float32, device=compute_device
            ).scatter_add_(0, selected_experts.reshape(-1), flat_mask.repeat_interleave(top_k))
            router_prob_sum = router_prob_sum + (routing_weights.float() * flat_mask.unsqueeze(-1)).sum(dim=0)
            total_rows = total_rows + flat_mask.sum()

    tokens_per_expert = tokens_per_expert_sum / total_rows
    router_prob_per_expert = router_prob_sum / total_rows

    overall_loss = torch.sum(tokens_per_expert * router_prob_per_expert.unsqueeze(0))
    return overall_loss * num_experts


@auto_docstring
class SelectGateMixtralForCausalLM(SelectGateMixtralPreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}
    _pp_plan = {"lm_head": (["hidden_states"], ["logits"])}
    _fsdp_plan = {"lm_head": "keep_full_weight"}

    def __init__(self, config: SelectGateMixtralConfig):
        super().__init__(config)
        self.model = SelectGateMixtralModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.router_aux_loss_coef = config.router_aux_loss_coef
        self.num_experts = config.num_local_experts
        self.num_experts_per_tok = config.num_experts_per_tok

        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_select_scores(SelectGateMixtralCausalLMOutputWithPast)
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
        output_router_logits: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MoeCausalLMOutputWithPast:
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""

        output_router_logits = (
            output_router_logits if output_router_logits is not None else self.config.output_router_logits
        )

        # decoder outputs consists of (dec_features, layer_state, dec_hidden, dec_attn)
        outputs: MoeModelOutputWithPast = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_router_logits=output_router_logits,
            **kwargs,
        )

        hidden_states = outputs.last_hidden_state
        hidden_states = slice_logits_to_keep(hidden_states, logits_to_keep)
        logits = self.lm_head(hidden_states)

        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, self.vocab_size, **kwargs)

        aux_loss = None
        if output_router_logits:
            aux_loss = load_balancing_loss_func(
                outputs.router_logits,
                self.num_experts,
                self.num_experts_per_tok,
                attention_mask,
            )
            if labels is not None:
                loss += self.router_aux_loss_coef * aux_loss.to(loss.device)  # make sure to reside in the same device

        return MoeCausalLMOutputWithPast(
            loss=loss,
            aux_loss=aux_loss,
            logits=logits,
            cache=outputs.cache,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            router_logits=outputs.router_logits,
        )


class SelectGateMixtralForSequenceClassification(GenericForSequenceClassification, SelectGateMixtralPreTrainedModel):
    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_select_scores(SelectGateMixtralSequenceClassifierOutputWithPast)
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        *,
        output_router_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SequenceClassifierOutputWithPast:
        r"""
        output_router_logits (`bool`, *optional*):
            Whether to return the scores of the gates and the logits of the routers. If it is not given,
            `config.output_router_logits` decides; in training they are returned.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            labels=labels,
            use_cache=use_cache,
            **kwargs,
        )


class SelectGateMixtralForTokenClassification(GenericForTokenClassification, SelectGateMixtralPreTrainedModel):
    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_select_scores(SelectGateMixtralTokenClassifierOutput)
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        *,
        output_router_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> TokenClassifierOutput:
        r"""
        output_router_logits (`bool`, *optional*):
            Whether to return the scores of the gates and the logits of the routers. If it is not given,
            `config.output_router_logits` decides; in training they are returned.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            labels=labels,
            use_cache=use_cache,
            **kwargs,
        )


class SelectGateMixtralForQuestionAnswering(GenericForQuestionAnswering, SelectGateMixtralPreTrainedModel):
    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_select_scores(SelectGateMixtralQuestionAnsweringModelOutput)
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        start_positions: torch.LongTensor | None = None,
        end_positions: torch.LongTensor | None = None,
        *,
        output_router_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> QuestionAnsweringModelOutput:
        r"""
        output_router_logits (`bool`, *optional*):
            Whether to return the scores of the gates and the logits of the routers. If it is not given,
            `config.output_router_logits` decides; in training they are returned.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            start_positions=start_positions,
            end_positions=end_positions,
            **kwargs,
        )


__all__ = [
    "SelectGateMixtralPreTrainedModel",
    "SelectGateMixtralModel",
    "SelectGateMixtralForCausalLM",
    "SelectGateMixtralForSequenceClassification",
    "SelectGateMixtralForTokenClassification",
    "SelectGateMixtralForQuestionAnswering",
    "rename_select_moe",
    "select_quality_loss",
]
