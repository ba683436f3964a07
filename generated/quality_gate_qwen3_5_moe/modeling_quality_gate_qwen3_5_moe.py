# Generated from modular/modular_quality_gate_qwen3_5_moe.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_qwen3_5_moe`.
# Seal: sha256 d721c3ddd7d159ba6b70b0b1d04127096239303e3242f71e736c9558af511b73
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
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache
from transformers.configuration_utils import PreTrainedConfig
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.generation import GenerationMixin
from transformers.integrations import (
    use_experts_implementation,
    use_kernel_forward_from_hub,
    use_kernel_func_from_hub_with_fallback,
    use_kernelized_func,
)
from transformers.integrations.accelerate import force_accelerate_hooks
from transformers.masking_utils import create_causal_mask, create_recurrent_attention_mask
from transformers.modeling_flash_attention_utils import FlashAttentionKwargs
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS, dynamic_rope_update
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel, slice_logits_to_keep
from transformers.models.auto import AutoModel
from transformers.processing_utils import Unpack
from transformers.utils import (
    ModelOutput,
    TransformersKwargs,
    auto_docstring,
    can_return_tuple,
    is_torchdynamo_exporting,
    logging,
)
from transformers.utils.deprecation import deprecate_kwarg
from transformers.utils.generic import maybe_autocast, merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .configuration_quality_gate_qwen3_5_moe import QualityGateQwen3_5MoeConfig, QualityGateQwen3_5MoeTextConfig


logger = logging.get_logger(__name__)


@dataclass
class QualityGateQwen3_5MoeOutput(ModelOutput):
    """
    What the gates add to an output.

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


@dataclass
class QualityGateQwen3_5MoeModelOutputWithPast(QualityGateQwen3_5MoeOutput, MoeModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateQwen3_5MoeCausalLMOutputWithPast(QualityGateQwen3_5MoeOutput, MoeCausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


class QualityGateQwen3_5MoeScores:
    """The scores of one call: whether it wants any, and each gate's `[batch, tokens, 1]`, in the order of the layers.

    `routers` is what the caller said of `output_router_logits`. A head names that argument, and does not hand it on.

    Layers hand it to their gates. No hook is involved, since transformers' own cannot be pickled and `torch.compile`
    cannot install them.
    """

    def __init__(self, asked: bool, routers: bool | None = None):
        self.asked = asked
        self.routers = routers
        self.logits: list[torch.Tensor] = []


class QualityGateQwen3_5MoeGate(nn.Module):
    """Scores how good the text up to each token is, by one linear map of the feed-forward network's normed input.

    Source: the Quality-Gate project, where it only observes; its sigmoid scales the experts in Select-MoE.
    """

    def __init__(self, config: QualityGateQwen3_5MoeConfig):
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, 1, bias=False, dtype=torch.float32)
        self.gate.scores_quality = True  # tells `_init_weights`, which for custom code sees no module without weights

    def forward(
        self, hidden_states: torch.Tensor, output_quality_logits: QualityGateQwen3_5MoeScores | bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`[batch, tokens, hidden_size]` to the score and its sigmoid, both `[batch, tokens, 1]` in float32.

        The score is added to those that `output_quality_logits` collects.
        """
        with maybe_autocast(hidden_states.device.type, enabled=False):
            quality_score = self.gate(hidden_states.to(self.gate.weight.dtype)).float()
            good_ratio = quality_score.sigmoid()
        if isinstance(output_quality_logits, QualityGateQwen3_5MoeScores):
            output_quality_logits.logits.append(quality_score)
        return quality_score, good_ratio


@use_kernel_forward_from_hub("RMSNormZeroCentered")
class QualityGateQwen3_5MoeRMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(dim))

    def _norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        output = self._norm(x.float())
        # Llama does x.to(float16) * w whilst QualityGateQwen3_5Moe is (x * w).to(float16)
        # See https://github.com/huggingface/transformers/pull/29402
        output = output * (1.0 + self.weight.float())
        return output.type_as(x)

    def extra_repr(self):
        return f"{tuple(self.weight.shape)}, eps={self.eps}"


def rotate_half(x):
    """Rotates half the hidden dims of the input."""
    x1 = x[..., : x.shape[-1] // 2]
    x2 = x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


# Adapted from transformers.models.glm.modular_glm.apply_rotary_pos_emb
def apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=1):
    """Applies Rotary Position Embedding to the query and key tensors.

    Removes the interleaving of cos and sin from GLM

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

    # Keep half or full tensor for later concatenation
    rotary_dim = cos.shape[-1]
    q_rot, q_pass = q[..., :rotary_dim], q[..., rotary_dim:]
    k_rot, k_pass = k[..., :rotary_dim], k[..., rotary_dim:]

    # Apply rotary embeddings on the first half or full tensor
    q_embed = (q_rot * cos) + (rotate_half(q_rot) * sin)
    k_embed = (k_rot * cos) + (rotate_half(k_rot) * sin)

    # Concatenate back to full shape
    q_embed = torch.cat([q_embed, q_pass], dim=-1)
    k_embed = torch.cat([k_embed, k_pass], dim=-1)
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


class QualityGateQwen3_5MoeAttention(nn.Module):
    """Multi-headed attention from 'Attention Is All You Need' paper"""

    def __init__(self, config: QualityGateQwen3_5MoeConfig, layer_idx: int):
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
        self.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.attention_dropout
        self.is_causal = True
        self.q_proj = nn.Linear(
            config.hidden_size, config.num_attention_heads * self.head_dim * 2, bias=config.attention_bias
        )
        self.k_proj = nn.Linear(
            config.hidden_size, config.num_key_value_heads * self.head_dim, bias=config.attention_bias
        )
        self.v_proj = nn.Linear(
            config.hidden_size, config.num_key_value_heads * self.head_dim, bias=config.attention_bias
        )
        self.o_proj = nn.Linear(
            config.num_attention_heads * self.head_dim, config.hidden_size, bias=config.attention_bias
        )
        self.q_norm = QualityGateQwen3_5MoeRMSNorm(
            self.head_dim, eps=config.rms_norm_eps
        )  # unlike olmo, only on the head dim!
        self.k_norm = QualityGateQwen3_5MoeRMSNorm(
            self.head_dim, eps=config.rms_norm_eps
        )  # thus post q_norm does not need reshape

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

        query_states, gate = torch.chunk(
            self.q_proj(hidden_states).view(*input_shape, -1, self.head_dim * 2), 2, dim=-1
        )
        gate = gate.reshape(*input_shape, -1)

        query_states = self.q_norm(query_states.view(hidden_shape)).transpose(1, 2)
        key_states = self.k_norm(self.k_proj(hidden_states).view(hidden_shape)).transpose(1, 2)
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
            **kwargs,
        )

        attn_output = attn_output.reshape(*input_shape, -1).contiguous()
        attn_output = attn_output * torch.sigmoid(gate)

        attn_output = self.o_proj(attn_output)
        return attn_output, attn_weights


@use_kernel_forward_from_hub("SoftmaxTopKRouter")
class QualityGateQwen3_5MoeTopKRouter(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.top_k = config.num_experts_per_tok
        self.num_experts = config.num_experts
        self.hidden_dim = config.hidden_size
        self.weight = nn.Parameter(torch.zeros(self.num_experts, self.hidden_dim))

    def forward(self, hidden_states):
        hidden_states = hidden_states.reshape(-1, self.hidden_dim)
        router_logits = F.linear(hidden_states, self.weight)  # (seq_len, num_experts)
        router_probs = torch.nn.functional.softmax(router_logits, dtype=torch.float, dim=-1)
        router_top_value, router_indices = torch.topk(router_probs, self.top_k, dim=-1)  # (seq_len, top_k)
        router_top_value /= router_top_value.sum(dim=-1, keepdim=True)
        router_top_value = router_top_value.to(router_logits.dtype)
        router_scores = router_top_value
        return router_logits, router_scores, router_indices


# NOTE: the FLA package does not re-cast to `input_dtype` in its implementation, maybe we should do the same
@use_kernel_forward_from_hub("RMSNormGated")
class QualityGateQwen3_5MoeRMSNormGated(nn.Module):
    def __init__(self, hidden_size: int, eps: float = 1e-6, **kwargs) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.variance_epsilon = eps
        self.activation = "silu"

    def forward(self, hidden_states: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        input_dtype = hidden_states.dtype
        hidden_states = hidden_states.to(torch.float32)
        variance = hidden_states.pow(2).mean(-1, keepdim=True)
        # Norm before gate
        hidden_states = hidden_states * torch.rsqrt(variance + self.variance_epsilon)
        hidden_states = self.weight * hidden_states.to(input_dtype)
        hidden_states = hidden_states * ACT2FN[self.activation](gate.to(torch.float32))

        return hidden_states.to(input_dtype)


def apply_mask_to_padding_states(hidden_states, attention_mask):
    """
    Tunes out the hidden states for padding tokens, see https://github.com/state-spaces/mamba/issues/66
    """
    # NOTE: attention mask is a 2D boolean tensor
    if attention_mask is not None:
        dtype = hidden_states.dtype
        hidden_states = (hidden_states * attention_mask[:, :, None]).to(dtype)

    return hidden_states


@use_kernel_func_from_hub_with_fallback("causal_conv1d_update", "causal_conv1d")
def causal_conv1d_update(
    hidden_states: torch.Tensor,
    conv_state: torch.Tensor,
    weight: nn.Parameter,
    bias: nn.Parameter | None = None,
    activation: str | None = None,
):
    _, hidden_size, seq_len = hidden_states.shape
    state_len = conv_state.shape[-1]

    hidden_states_new = torch.cat([conv_state, hidden_states], dim=-1).to(weight.dtype)
    conv_state.copy_(hidden_states_new[:, :, -state_len:])
    out = F.conv1d(hidden_states_new, weight.unsqueeze(1), bias, padding=0, groups=hidden_size)
    out = out[:, :, -seq_len:]
    if activation is not None:
        out = ACT2FN[activation](out)
    return out.to(hidden_states.dtype)


@use_kernel_func_from_hub_with_fallback("causal_conv1d_fn", "causal_conv1d")
def causal_conv1d_fn(
    hidden_states: torch.Tensor,
    weight: nn.Parameter,
    bias: nn.Parameter | None = None,
    activation: str | None = None,
    **kwargs,
):
    _, hidden_size, seq_len = hidden_states.shape
    padding = weight.shape[-1] - 1

    out = F.conv1d(
        hidden_states.to(weight.dtype),
        weight=weight.unsqueeze(1),
        bias=bias,
        padding=padding,
        groups=hidden_size,
    )[:, :, :seq_len]
    if activation is not None:
        out = ACT2FN[activation](out)
    return out.to(hidden_states.dtype)


# NOTE: the FLA package computes `x / torch.sqrt((x * x).sum(dim=dim, keepdim=True) + eps)` instead, so if we align
# with the GatedRMSNorm, maybe we can make that change as well.
def l2norm(x: torch.Tensor, dim: int = -1, eps: float = 1e-6):
    """This function is intended to align with the l2norm implementation in the FLA library."""
    inv_norm = torch.rsqrt((x * x).sum(dim=dim, keepdim=True) + eps)
    return x * inv_norm


@use_kernel_func_from_hub_with_fallback("chunk_gated_delta_rule", "fla")
def torch_chunk_gated_delta_rule(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    g: torch.Tensor,
    beta: torch.Tensor,
    chunk_size: int = 64,
    initial_state: torch.Tensor | None = None,
    output_final_state: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Computes the gated delta rule, by chunking along the sequence dimension.
    Args:
        query: Query tensor of shape [batch_size, sequence_length, num_k_heads, k_head_dim]
        key: Key tensor of shape [batch_size, sequence_length, num_k_heads, k_head_dim]
        value: Value tensor of shape [batch_size, sequence_length, num_v_heads, v_head_dim]. num_v_heads can be equal
            to num_k_heads, same for v_head_dim and k_head_dim.
        g: Decay (in log space) tensor of shape [batch_size, sequence_length, num_v_heads]: the recurrent state is
            multiplied by exp(g) at each step, so entries must be <= 0.
        beta: Beta tensor of shape [batch_size, sequence_length, num_v_heads]
        chunk_size: Size of the chunks along the sequence dimension.
        initial_state: The recurrent state, an optional tensor of shape [batch_size, num_v_heads, k_head_dim, v_head_dim]
        output_final_state: Whether to output the new recurrent state along with the output.
        use_qk_l2norm_in_kernel: If this flag is set to True, query and key vectors are L2-normalized.
    Returns:
        - The output tensor of shape [batch_size, sequence_length, num_v_heads, v_head_dim]
        - Either None or the new recurrent state tensor of shape [batch_size, num_v_heads, k_head_dim, v_head_dim]
    """
    initial_dtype = query.dtype
    batch_size, sequence_length, num_k_heads, k_head_dim = key.shape
    num_v_heads, v_head_dim = value.shape[-2:]
    recurrent_state_shape = (batch_size, num_v_heads, k_head_dim, v_head_dim)
    padded_output_shape = (batch_size, num_v_heads, -1, v_head_dim)  # -1 is the padded sequence length
    decay = g  # rename for clarity: argument name must stay "g" to match flash_linear_attention's API

    # Grouped value attention: each query/key head serves num_v_heads // num_k_heads consecutive value heads
    if num_k_heads != num_v_heads:
        query = query.repeat_interleave(num_v_heads // num_k_heads, dim=2)
        key = key.repeat_interleave(num_v_heads // num_k_heads, dim=2)

    # Make sure all tensors are fp32 and reshape them to [batch_size, num_*_heads, seqlen, ...]
    query, key, value, beta, decay = [
        x.transpose(1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        for x in (query, key, value, beta, decay)
    ]
    # If enabled, normalize query and key vectors (in fp32 to match the FLA library)
    if use_qk_l2norm_in_kernel:
        query = l2norm(query, dim=-1, eps=1e-6)
        key = l2norm(key, dim=-1, eps=1e-6)
    # And always normalize queries by the head dimension
    scaling = query.shape[-1] ** -0.5
    query = query * scaling

    # Pad sequence length to be a multiple of chunk_size. Padding is described as (left_pad, right_pad) for each dim.
    pad_size = (chunk_size - sequence_length % chunk_size) % chunk_size
    query, key, value = (F.pad(x, (0, 0, 0, pad_size)) for x in (query, key, value))
    beta, decay = (F.pad(x, (0, pad_size)) for x in (beta, decay))

    total_sequence_length = sequence_length + pad_size
    num_chunks = total_sequence_length // chunk_size

    # Apply beta to K and V, which is the "learning rate" of the recurrent state for a given token, ie. how much the new
    # state influence the old state. Beta is often normalized to (0, 1) where 0 = no update; 1 = overwrite old state.
    v_beta = value * beta.unsqueeze(-1)
    k_beta = key * beta.unsqueeze(-1)

    # Reshape all tensors to chunk the sequence dimension (adds a new dimension of size chunk_size)
    query, key, k_beta, v_beta = [
        x.reshape(x.shape[0], x.shape[1], -1, chunk_size, x.shape[-1]) for x in (query, key, k_beta, v_beta)
    ]
    decay = decay.reshape(decay.shape[0], decay.shape[1], -1, chunk_size)

    # Create a chunk-sized strictly upper triangular mask, ie. the mask of what a causal chunk may not attend to
    strictly_upper_mask = torch.ones(chunk_size, chunk_size, dtype=torch.bool, device=query.device).triu(1)

    # Cumulative decay within each chunk (dim 3 is the position inside the chunk). Since decay is in log space,
    # cum_decay[..., t] is the log of a product of decays between the start of the chunk and position t
    cum_decay = decay.cumsum(dim=3)

    # First phase: compute intra-chunk quantities.
    # The pairwise decays: pairwise_decay[..., i, j] = exp(cum_decay_i - cum_decay_j) is the decay accumulated between
    # positions j and i of a chunk. Positive values are masked to -inf before exp to avoid overflow
    pairwise_decay = cum_decay.unsqueeze(4) - cum_decay.unsqueeze(3)
    pairwise_decay = pairwise_decay.masked_fill(strictly_upper_mask, float("-inf"))
    pairwise_decay = pairwise_decay.exp()  # with the exp, we exit log space, so we can apply this decay to the states

    # Compute auxiliary tensors: the Upper Triangular (ut) transform system and the intra-chunk attn (QK dot product)
    ut_system = (k_beta @ key.transpose(-1, -2)) * pairwise_decay
    intra_chunk_attn = (query @ key.transpose(-1, -2)) * pairwise_decay
    decayed_k_beta = k_beta * cum_decay.exp().unsqueeze(-1)

    # Gated delta attention uses a UT transform to condense several delta rule updates into a few matmuls. After the UT
    # system is solved, we can then compute the new_values (called "u" in the DeltaNet paper) and the decayed keys
    # reading the old state (k_cumdecay). In the update, the part of new_values that the old state already predicts is
    # subtracted out, so that only the correction is written to the recurrent state: this is the delta rule.

    # Not all export targets support the fast triangular solver, so we build the inverse by forward substitution then
    if not is_torchdynamo_exporting():
        new_values = torch.linalg.solve_triangular(ut_system, v_beta, upper=False, unitriangular=True)
        k_cumdecay = torch.linalg.solve_triangular(ut_system, decayed_k_beta, upper=False, unitriangular=True)
    else:
        ut_system = -ut_system.tril(-1)  # ut_system is masked to only keep the strictly lower triangle
        for i in range(1, chunk_size):
            row = ut_system[..., i, :i].clone()
            sub = ut_system[..., :i, :i].clone()
            ut_system[..., i, :i] = row + (row.unsqueeze(-1) * sub).sum(-2)
        ut_system = ut_system + torch.eye(chunk_size, dtype=ut_system.dtype, device=ut_system.device)
        new_values, k_cumdecay = ut_system @ v_beta, ut_system @ decayed_k_beta

    if initial_state is None:
        last_recurrent_state = torch.zeros(recurrent_state_shape, dtype=new_values.dtype, device=new_values.device)
    else:
        last_recurrent_state = initial_state.to(new_values)
    core_attn_out = torch.zeros_like(new_values)

    # Apply decay once rather than in each chunk
    query = query * cum_decay.exp().unsqueeze(-1)
    key = key * (cum_decay[..., -1:] - cum_decay).exp().unsqueeze(-1)
    chunk_decay = cum_decay[..., -1].exp()[..., None, None]

    # Second phase: the sequential scan over chunks
    for i in range(num_chunks):
        # Compute attention output for the current chunk: add the read of the previous recurrent state
        # (inter_chunk_attn) with the within-chunk attention (intra_chunk_attn)
        v_new = new_values[:, :, i] - k_cumdecay[:, :, i] @ last_recurrent_state
        inter_chunk_attn = query[:, :, i] @ last_recurrent_state
        core_attn_out[:, :, i] = inter_chunk_attn + intra_chunk_attn[:, :, i] @ v_new
        # Update the recurrent state: new recurrent state (S_t+1) = decayed old state (S_t * (I-βkk^T)) + update (βvk^T)
        last_recurrent_state = last_recurrent_state * chunk_decay[:, :, i] + key[:, :, i].transpose(-1, -2) @ v_new

    # Discard the final state if not requested
    last_recurrent_state = None if not output_final_state else last_recurrent_state
    # Reshape the output to the orignal shape: flatten the chunk dimension, then drop padding
    core_attn_out = core_attn_out.reshape(padded_output_shape)
    core_attn_out = core_attn_out[:, :, :sequence_length]
    # Convert back to the original shape [batch_size, sequence_length, num_v_heads, v_head_dim] and dtype
    core_attn_out = core_attn_out.transpose(1, 2).to(initial_dtype, memory_format=torch.contiguous_format)
    return core_attn_out, last_recurrent_state


@use_kernel_func_from_hub_with_fallback("fused_recurrent_gated_delta_rule", "fla")
def torch_recurrent_gated_delta_rule(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    g: torch.Tensor,
    beta: torch.Tensor,
    initial_state: torch.Tensor | None = None,
    output_final_state: bool = False,
    use_qk_l2norm_in_kernel: bool = False,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Computes linear attention using the gated delta rule, by iterating over each token in the sequence dimension.
    Same args and return value as torch_chunk_gated_delta_rule, except for `chunk_size` because the sequence dim is not
    chunked."""
    initial_dtype = query.dtype
    batch_size, sequence_length, num_k_heads, k_head_dim = key.shape
    num_v_heads, v_head_dim = value.shape[-2:]
    decay = g  # rename for clarity: argument name must stay "g" to match flash_linear_attention's API

    # Grouped value attention: each query/key head serves num_v_heads // num_k_heads consecutive value heads
    if num_k_heads != num_v_heads:
        query = query.repeat_interleave(num_v_heads // num_k_heads, dim=2)
        key = key.repeat_interleave(num_v_heads // num_k_heads, dim=2)

    # Make sure all tensors are fp32 and reshape them to [batch_size, num_*_heads, seqlen, ...]
    query, key, value, beta, decay = [
        x.transpose(1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        for x in (query, key, value, beta, decay)
    ]
    # If enabled, normalize query and key vectors (done once in fp32 for better accuracy)
    if use_qk_l2norm_in_kernel:
        query = l2norm(query, dim=-1, eps=1e-6)
        key = l2norm(key, dim=-1, eps=1e-6)

    # And always normalize queries by the head dimension
    query = query / (query.shape[-1] ** 0.5)

    # Create the storage for the last recurrent state, which will be updated in place. If a previous state is provided,
    # it is the starting point, otherwise start with a zeroed buffer.
    if initial_state is None:
        recurrent_state_shape = (batch_size, num_v_heads, k_head_dim, v_head_dim)
        last_recurrent_state = torch.zeros(recurrent_state_shape, dtype=value.dtype, device=value.device)
    else:
        last_recurrent_state = initial_state.to(value)
    core_attn_out = torch.zeros_like(value)

    # Loop over each token and update the recurrent state
    for i in range(sequence_length):
        q_t, k_t, v_t = query[:, :, i], key[:, :, i], value[:, :, i]
        # Decay the recurrent state
        decay_t = decay[:, :, i].exp()[..., None, None]
        last_recurrent_state = last_recurrent_state * decay_t
        # Update the recurrent state with the current token
        beta_t = beta[:, :, i].unsqueeze(-1)
        kv_mem = (last_recurrent_state * k_t.unsqueeze(-1)).sum(dim=-2)
        delta = (v_t - kv_mem) * beta_t
        last_recurrent_state = last_recurrent_state + k_t.unsqueeze(-1) * delta.unsqueeze(-2)
        # And use it to compute the attention output for the current token
        core_attn_out[:, :, i] = (last_recurrent_state * q_t.unsqueeze(-1)).sum(dim=-2)

    # Discard the final state if not requested
    last_recurrent_state = None if not output_final_state else last_recurrent_state
    # Convert back to the original shape [batch_size, sequence_length, num_v_heads, v_head_dim] and dtype
    core_attn_out = core_attn_out.transpose(1, 2).contiguous().to(initial_dtype)
    return core_attn_out, last_recurrent_state


@use_kernel_forward_from_hub("Qwen3_5GatedDeltaNet")
@use_kernelized_func(
    [torch_recurrent_gated_delta_rule, torch_chunk_gated_delta_rule, causal_conv1d_fn, causal_conv1d_update]
)
class QualityGateQwen3_5MoeGatedDeltaNet(nn.Module):
    def __init__(self, config: QualityGateQwen3_5MoeConfig, layer_idx: int):
        super().__init__()
        self.hidden_size = config.hidden_size
        self.num_v_heads = config.linear_num_value_heads
        self.num_k_heads = config.linear_num_key_heads
        self.head_k_dim = config.linear_key_head_dim
        self.head_v_dim = config.linear_value_head_dim
        self.key_dim = self.head_k_dim * self.num_k_heads
        self.value_dim = self.head_v_dim * self.num_v_heads

        self.conv_kernel_size = config.linear_conv_kernel_dim
        self.layer_idx = layer_idx
        self.activation = config.hidden_act
        self.layer_norm_epsilon = config.rms_norm_eps

        # QKV
        self.conv_dim = self.key_dim * 2 + self.value_dim
        self.conv1d = nn.Conv1d(
            in_channels=self.conv_dim,
            out_channels=self.conv_dim,
            bias=False,
            kernel_size=self.conv_kernel_size,
            groups=self.conv_dim,
            padding=self.conv_kernel_size - 1,
        )

        # time step projection (discretization)
        # instantiate once and copy inv_dt in init_weights of PretrainedModel
        self.dt_bias = nn.Parameter(torch.ones(self.num_v_heads))

        # Lower bound kept away from 0 so log(A) never becomes -inf
        A = torch.empty(self.num_v_heads).uniform_(0.01, 16)
        self.A_log = nn.Parameter(torch.log(A))

        self.norm = QualityGateQwen3_5MoeRMSNormGated(self.head_v_dim, eps=self.layer_norm_epsilon)
        self.out_proj = nn.Linear(self.value_dim, self.hidden_size, bias=False)

        self.layer_type = config.layer_types[layer_idx]

        self.in_proj_qkv = nn.Linear(self.hidden_size, self.key_dim * 2 + self.value_dim, bias=False)
        self.in_proj_z = nn.Linear(self.hidden_size, self.value_dim, bias=False)
        self.in_proj_b = nn.Linear(self.hidden_size, self.num_v_heads, bias=False)
        self.in_proj_a = nn.Linear(self.hidden_size, self.num_v_heads, bias=False)

    @force_accelerate_hooks("conv1d")
    @deprecate_kwarg("cache_params", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        cache: Cache | None = None,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ):
        hidden_states = apply_mask_to_padding_states(hidden_states, attention_mask)

        # Set up dimensions for reshapes later
        batch_size, seq_len, _ = hidden_states.shape
        # Retrieve conv and recurrent states if there is a cache. They may be None if the layer is not initialized.
        if cache is not None:
            conv_state = cache.get_conv_state(self.layer_idx, state_idx=0)
            recurrent_state = cache.get_recurrent_state(self.layer_idx, state_idx=0)
        else:
            conv_state, recurrent_state = None, None

        mixed_qkv = self.in_proj_qkv(hidden_states)
        mixed_qkv = mixed_qkv.transpose(1, 2)

        z = self.in_proj_z(hidden_states)
        z = z.reshape(batch_size, seq_len, -1, self.head_v_dim)

        b = self.in_proj_b(hidden_states)
        a = self.in_proj_a(hidden_states)

        if conv_state is not None and seq_len == 1 and not cache.is_recording_past(self.layer_idx):
            # Single-token cached decode: the fused per-step kernel updates the conv state in-place.
            mixed_qkv = causal_conv1d_update(
                mixed_qkv,
                conv_state,
                self.conv1d.weight.squeeze(1),
                self.conv1d.bias,
                self.activation,
            )
        else:
            if cache is not None:
                mixed_qkv = cache.update_conv_state(mixed_qkv, self.layer_idx, conv_kernel_size=self.conv_kernel_size)

            mixed_qkv = causal_conv1d_fn(
                mixed_qkv,
                self.conv1d.weight.squeeze(1),
                self.conv1d.bias,
                activation=self.activation,
                **kwargs,
            )

            # Drop the additional previous states
            if cache is not None:
                mixed_qkv = mixed_qkv[:, :, -seq_len:]

        mixed_qkv = mixed_qkv.transpose(1, 2)
        query, key, value = torch.split(
            mixed_qkv,
            [
                self.key_dim,
                self.key_dim,
                self.value_dim,
            ],
            dim=-1,
        )

        query = query.reshape(batch_size, seq_len, -1, self.head_k_dim)
        key = key.reshape(batch_size, seq_len, -1, self.head_k_dim)
        value = value.reshape(batch_size, seq_len, -1, self.head_v_dim)

        beta = b.sigmoid()
        # If the model is loaded in fp16, without the .float() here, A might be -inf
        g = -self.A_log.float().exp() * F.softplus(a.float() + self.dt_bias)

        if recurrent_state is not None and seq_len == 1:
            core_attn_out, last_recurrent_state = torch_recurrent_gated_delta_rule(
                query,
                key,
                value,
                g=g,
                beta=beta,
                initial_state=recurrent_state,
                output_final_state=cache is not None,
                use_qk_l2norm_in_kernel=True,
                cu_seqlens=kwargs.pop("cu_seq_lens_q", None),
                **kwargs,
            )
        else:
            core_attn_out, last_recurrent_state = torch_chunk_gated_delta_rule(
                query,
                key,
                value,
                g=g,
                beta=beta,
                initial_state=recurrent_state,
                output_final_state=cache is not None,
                use_qk_l2norm_in_kernel=True,
                cu_seqlens=kwargs.pop("cu_seq_lens_q", None),
                **kwargs,
            )

        # Update cache
        if cache is not None:
            cache.update_recurrent_state(last_recurrent_state, self.layer_idx)

        # reshape input data into 2D tensor
        core_attn_out = core_attn_out.reshape(-1, self.head_v_dim)
        z = z.reshape(-1, self.head_v_dim)
        core_attn_out = self.norm(core_attn_out, z)
        core_attn_out = core_attn_out.reshape(batch_size, seq_len, -1)

        output = self.out_proj(core_attn_out)
        return output


class QualityGateQwen3_5MoeMLP(nn.Module):
    def __init__(self, config: QualityGateQwen3_5MoeConfig, intermediate_size: int):
        super().__init__()
        self.config = config
        self.hidden_size = config.hidden_size
        self.intermediate_size = intermediate_size
        self.gate_proj = nn.Linear(self.hidden_size, self.intermediate_size, bias=False)
        self.up_proj = nn.Linear(self.hidden_size, self.intermediate_size, bias=False)
        self.down_proj = nn.Linear(self.intermediate_size, self.hidden_size, bias=False)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, x):
        down_proj = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))
        return down_proj


@use_experts_implementation
class QualityGateQwen3_5MoeExperts(nn.Module):
    """Collection of expert weights stored as 3D tensors."""

    def __init__(self, config):
        super().__init__()
        self.num_experts = config.num_experts
        self.hidden_dim = config.hidden_size
        self.intermediate_dim = config.moe_intermediate_size
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


class QualityGateQwen3_5MoeSparseMoeBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate = QualityGateQwen3_5MoeTopKRouter(config)
        self.experts = QualityGateQwen3_5MoeExperts(config)
        self.shared_expert = QualityGateQwen3_5MoeMLP(config, intermediate_size=config.shared_expert_intermediate_size)
        self.shared_expert_gate = torch.nn.Linear(config.hidden_size, 1, bias=False)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        batch_size, sequence_length, hidden_dim = hidden_states.shape
        hidden_states_reshaped = hidden_states.view(-1, hidden_dim)
        shared_expert_output = self.shared_expert(hidden_states_reshaped)
        _, routing_weights, selected_experts = self.gate(hidden_states_reshaped)
        expert_output = self.experts(hidden_states_reshaped, selected_experts, routing_weights)

        shared_expert_output = F.sigmoid(self.shared_expert_gate(hidden_states_reshaped)) * shared_expert_output

        expert_output = expert_output + shared_expert_output
        expert_output = expert_output.reshape(batch_size, sequence_length, hidden_dim)
        return expert_output


class QualityGateQwen3_5MoeDecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: QualityGateQwen3_5MoeTextConfig, layer_idx: int):
        super().__init__()
        self.hidden_size = config.hidden_size
        self.block_type = config.layer_types[layer_idx]
        if self.block_type == "linear_attention":
            self.linear_attn = QualityGateQwen3_5MoeGatedDeltaNet(config, layer_idx)
        elif self.block_type == "full_attention":
            self.self_attn = QualityGateQwen3_5MoeAttention(config, layer_idx)
        self.mlp = QualityGateQwen3_5MoeSparseMoeBlock(config)
        self.input_layernorm = QualityGateQwen3_5MoeRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = QualityGateQwen3_5MoeRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.quality_gate = QualityGateQwen3_5MoeGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        output_quality_logits: bool = False,
        **kwargs: Unpack[FlashAttentionKwargs],
    ) -> torch.Tensor:
        residual = hidden_states

        hidden_states = self.input_layernorm(hidden_states)

        # Token Mixer
        if self.block_type == "linear_attention":
            hidden_states = self.linear_attn(
                hidden_states=hidden_states,
                cache=cache,
                attention_mask=attention_mask,
                **kwargs,
            )
        elif self.block_type == "full_attention":
            # Self Attention
            hidden_states, _ = self.self_attn(
                hidden_states=hidden_states,
                attention_mask=attention_mask,
                position_ids=position_ids,
                cache=cache,
                position_embeddings=position_embeddings,
                **kwargs,
            )

        hidden_states = residual + hidden_states

        # Fully Connected
        residual = hidden_states
        hidden_states = self.post_attention_layernorm(hidden_states)
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(hidden_states, output_quality_logits)
        hidden_states = self.mlp(hidden_states)
        # For the MoE layers, we need to unpack
        if isinstance(hidden_states, tuple):
            hidden_states, _ = hidden_states
        if self.scale_ffn:
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states
        hidden_states = residual + hidden_states

        return hidden_states


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


class QualityGateQwen3_5MoePreTrainedModel(PreTrainedModel):
    config: QualityGateQwen3_5MoeConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["QualityGateQwen3_5MoeDecoderLayer", "QualityGateQwen3_5MoeVisionBlock"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _keys_to_ignore_on_load_unexpected = [r"^mtp.*"]
    _can_record_outputs = {
        "router_logits": OutputRecorder(QualityGateQwen3_5MoeTopKRouter, index=0),
        "hidden_states": QualityGateQwen3_5MoeDecoderLayer,
        "attentions": QualityGateQwen3_5MoeAttention,
    }
    _is_stateful = True
    _can_compile_fullgraph = True
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
        if isinstance(module, QualityGateQwen3_5MoeGatedDeltaNet):
            init.ones_(module.dt_bias)
            # Lower bound kept away from 0 so log(A) never becomes -inf
            init.copy_(
                module.A_log,
                torch.empty(module.num_v_heads, device=module.A_log.device).uniform_(0.01, 16).log_(),
            )
        # We initialize with 0s to be 1 centered as the RMSNorm here does (1 + weight)
        elif isinstance(module, QualityGateQwen3_5MoeRMSNorm):
            init.zeros_(module.weight)
        elif isinstance(module, QualityGateQwen3_5MoeExperts):
            init.normal_(module.gate_up_proj, mean=0.0, std=self.config.initializer_range)
            init.normal_(module.down_proj, mean=0.0, std=self.config.initializer_range)
        elif isinstance(module, QualityGateQwen3_5MoeSparseMoeBlock):
            init.normal_(module.gate.weight, mean=0.0, std=self.config.initializer_range)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)

    def __init__(self, config: QualityGateQwen3_5MoeTextConfig, *inputs, **kwargs):
        if isinstance(config, QualityGateQwen3_5MoeTextConfig):  # models of images or sound beside it have no gates
            check_quality_gate_config(config)
            self.quality_gate_fields = quality_gate_fields(config)  # that its layers are built from
            # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
            AutoModel._model_mapping.register(type(config), QualityGateQwen3_5MoeTextModel, exist_ok=True)
        # Checkpoints of the base hold weights in another form than the model
        for ours, base in (("quality_gate_qwen3_5_moe_text", "qwen3_5_moe_text"),):
            names = get_checkpoint_conversion_mapping(base)
            register_checkpoint_conversion_mapping(ours, names, overwrite=True)
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


class QualityGateQwen3_5MoeTextRotaryEmbedding(nn.Module):
    def __init__(self, config: QualityGateQwen3_5MoeTextConfig):
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
        self.mrope_section = config.rope_parameters.get("mrope_section", [11, 11, 10])

    @staticmethod
    def compute_default_rope_parameters(
        config: QualityGateQwen3_5MoeTextConfig, device=None, **kwargs
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
        partial_rotary_factor = config.rope_parameters.get("partial_rotary_factor", 1.0)
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        dim = int(head_dim * partial_rotary_factor)

        attention_factor = 1.0  # Unused in this type of RoPE
        # Compute the inverse frequencies
        inv_freq = 1.0 / (base ** (torch.arange(0, dim, 2, dtype=torch.float) / dim))
        return inv_freq.to(device), attention_factor

    @dynamic_rope_update
    def forward(self, x, position_ids):
        # In contrast to other models, QualityGateQwen3_5MoeText has different position ids for the grids
        # So position_ids is broadcast to (3, bs, positions) and freqs has shape (3, bs, positions, dim // 2)
        position_ids = position_ids.expand(3, -1, -1)
        freqs = position_ids[..., None].float() * self.inv_freq.to(device=x.device, dtype=torch.float)
        cos = freqs.cos() * self.attention_scaling
        sin = freqs.sin() * self.attention_scaling

        sin = self.recomposition_frequencies(sin)
        cos = self.recomposition_frequencies(cos)
        return cos.to(dtype=x.dtype), sin.to(dtype=x.dtype)

    def recomposition_frequencies(self, freq):
        """
        Recompose the frequencies into the final spatial layout used per each grid.
        """
        freqs_thw = freq[0]  # just overwrite the first dimension T
        for dim, offset in enumerate((1, 2), start=1):  # H, W
            length = self.mrope_section[dim] * 3
            idx = slice(offset, length, 3)
            freqs_thw[..., idx] = freq[dim, ..., idx]
        return torch.cat((freqs_thw, freqs_thw), dim=-1)


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
    fields[name] = QualityGateQwen3_5MoeIdle.apply(output, *gates)


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
            if isinstance(scores, QualityGateQwen3_5MoeScores):  # a head asks, and answers for this model
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
            scores = QualityGateQwen3_5MoeScores(
                asks_for_quality_scores(self, **given), given.get("output_router_logits")
            )
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
    def wrapper(self, *args, output_quality_logits: QualityGateQwen3_5MoeScores, **kwargs):
        check_quality_gate_fields(self)
        scores = QualityGateQwen3_5MoeScores(output_quality_logits.asked)
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
            outputs["last_hidden_state"] = QualityGateQwen3_5MoeIdle.apply(outputs.last_hidden_state, *idle)
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
    name = QualityGateQwen3_5MoeOldName("quality_labels")
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


class QualityGateQwen3_5MoeOldName(str):
    """An argument's old name: `Trainer` keeps a column of data called so, and counts it for no label of the task.

    It takes every argument with "label" in its name for one, without which there is nothing to evaluate.
    """

    def __contains__(self, part: str) -> bool:
        return part == str(self)


class QualityGateQwen3_5MoeIdle(torch.autograd.Function):
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


class QualityGateQwen3_5MoeTextModel(QualityGateQwen3_5MoePreTrainedModel):
    config: QualityGateQwen3_5MoeTextConfig
    _tp_plan = {"layers.*.quality_gate.gate": "replicate"}

    def __init__(self, config: QualityGateQwen3_5MoeTextConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.layers = nn.ModuleList(
            [QualityGateQwen3_5MoeDecoderLayer(config, layer_idx) for layer_idx in range(config.num_hidden_layers)]
        )
        self.norm = QualityGateQwen3_5MoeRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = QualityGateQwen3_5MoeTextRotaryEmbedding(config=config)
        self.gradient_checkpointing = False
        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_quality_scores(QualityGateQwen3_5MoeModelOutputWithPast)
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
        use_cache: bool | None = None,
        *,
        quality_targets: torch.Tensor | None = None,
        output_router_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MoeModelOutputWithPast:
        r"""
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

        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)

        if use_cache and cache is None:
            cache = DynamicCache(config=self.config)

        # the hard coded `4` is for text, temporal, height and width.
        if position_ids is None:
            past_seen_tokens = cache.get_seq_length() if cache is not None else 0
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device) + past_seen_tokens
            position_ids = position_ids.view(1, 1, -1).expand(4, inputs_embeds.shape[0], -1)
        elif position_ids.ndim == 2:
            position_ids = position_ids[None, ...].expand(4, position_ids.shape[0], -1)

        if position_ids.ndim == 3 and position_ids.shape[0] == 4:
            text_position_ids = position_ids[0]
            position_ids = position_ids[1:]
        else:
            text_position_ids = None

        if not isinstance(causal_mask_mapping := attention_mask, dict):
            # Prepare mask arguments
            mask_kwargs = {
                "config": self.config,
                "inputs_embeds": inputs_embeds,
                "attention_mask": attention_mask,
                "cache": cache,
                "position_ids": text_position_ids,
            }
            # Create the masks
            causal_mask_mapping = {
                "full_attention": create_causal_mask(**mask_kwargs),
                "linear_attention": create_recurrent_attention_mask(**mask_kwargs),
            }

        hidden_states = inputs_embeds
        position_embeddings = self.rotary_emb(hidden_states, position_ids)

        for i, decoder_layer in enumerate(self.layers[: self.config.num_hidden_layers]):
            hidden_states = decoder_layer(
                hidden_states,
                position_embeddings=position_embeddings,
                attention_mask=causal_mask_mapping[self.config.layer_types[i]],
                position_ids=text_position_ids,
                cache=cache,
                use_cache=use_cache,
                **kwargs,
            )

        hidden_states = self.norm(hidden_states)

        return MoeModelOutputWithPast(
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


@auto_docstring
class QualityGateQwen3_5MoeForCausalLM(QualityGateQwen3_5MoePreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}
    _pp_plan = {"lm_head": (["hidden_states"], ["logits"])}
    _fsdp_plan = {"lm_head": "keep_full_weight"}
    config: QualityGateQwen3_5MoeTextConfig
    _keys_to_ignore_on_load_unexpected = [r"^mtp.*", r"^model.visual.*"]

    def __init__(self, config: QualityGateQwen3_5MoeTextConfig):
        super().__init__(config)
        self.model = QualityGateQwen3_5MoeTextModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.router_aux_loss_coef = config.router_aux_loss_coef
        self.num_experts = config.num_experts
        self.num_experts_per_tok = config.num_experts_per_tok

        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_quality_scores(QualityGateQwen3_5MoeCausalLMOutputWithPast)
    @balances_whole_sequences
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
        *,
        quality_targets: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MoeCausalLMOutputWithPast:
        r"""
        quality_targets (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, sequence_length)`, *optional*):
            Labels for the quality loss: 1 for a sample of the quality to train for, 0 for any other, negative where
            it is not known, which costs what it does without labels. One for each token where rows hold several samples.

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


__all__ = [
    "QualityGateQwen3_5MoePreTrainedModel",
    "QualityGateQwen3_5MoeTextModel",
    "QualityGateQwen3_5MoeForCausalLM",
    "quality_classification_loss",
]
