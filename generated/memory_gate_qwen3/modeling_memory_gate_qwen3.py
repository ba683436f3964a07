# Generated from modular/modular_memory_gate_qwen3.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model memory_gate_qwen3`.
# Seal: sha256 6f0edfd94d7a734dfbb66c76b58005db31e1bf2a35faac0d1d002095b54b4c61
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
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature, unwrap
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer
from transformers.configuration_utils import PreTrainedConfig
from transformers.generation import GenerationMixin
from transformers.integrations import use_kernel_forward_from_hub, use_kernelized_func
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask
from transformers.modeling_flash_attention_utils import FlashAttentionKwargs
from transformers.modeling_layers import (
    GenericForQuestionAnswering,
    GenericForSequenceClassification,
    GenericForTokenClassification,
    GradientCheckpointingLayer,
)
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    CausalLMOutputWithPast,
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
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_memory_gate_qwen3 import MemoryGateQwen3Config


@torch.no_grad()
def memory_stats(rows: list[torch.Tensor], alphas: tuple[torch.Tensor, ...], number: int) -> dict[str, torch.Tensor]:
    """How a bank of so many rows was used, by the rows that were found."""
    found = torch.cat([each.flatten().cpu() for each in rows]) if rows else torch.zeros(0, dtype=torch.long)
    counts = torch.bincount(found, minlength=number)
    let_in = torch.cat([each.flatten().float().cpu() for each in alphas]) if alphas else torch.zeros(1)
    return {
        "coverage_rate": (counts > 0).float().mean(),
        "hot_rows": (counts * 10 >= max(len(found), 1)).sum(),
        "mean_alpha": let_in.mean(),
        "read_rate": (let_in > 0.5).float().mean(),
    }


@dataclass
class MemoryGateQwen3Output(ModelOutput):
    """
    What the gates add to an output.

    lm_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
        The loss of the head alone; `loss` is the sum of all.
    aux_loss (`dict[str, torch.FloatTensor]`, *optional*, returned with `labels` or `memory_targets`):
        The losses of the gates by their names, each the mean over gates, before they are weighted.
    memory_rows (`tuple(torch.LongTensor)`, *optional*, returned when `output_memory=True`):
        One tensor for every gate, of shape `(batch_size, sequence_length, num_selected)`: the rows that were found, 0
        where there was none.
    memory_alphas (`tuple(torch.FloatTensor)`, *optional*, returned when `output_memory=True`):
        One tensor for every gate, of shape `(batch_size, sequence_length)`: how far they were let in, from 0 to 1.
    memory_stats (`dict[str, torch.FloatTensor]`, *optional*, returned when `output_memory=True`):
        Over all gates and tokens: `"coverage_rate"`, the share of the rows that were found at all, `"hot_rows"`, the
        number of rows with a tenth of all finds or more, `"mean_alpha"`, `"read_rate"`, the share of tokens let in by
        more than a half.
    """

    lm_loss: torch.FloatTensor | None = None
    aux_loss: dict[str, torch.FloatTensor] | None = None
    memory_rows: tuple[torch.LongTensor, ...] | None = None
    memory_alphas: tuple[torch.FloatTensor, ...] | None = None
    memory_stats: dict[str, torch.FloatTensor] | None = None


@dataclass
class MemoryGateQwen3ModelOutputWithPast(MemoryGateQwen3Output, BaseModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class MemoryGateQwen3CausalLMOutputWithPast(MemoryGateQwen3Output, CausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


@dataclass
class MemoryGateQwen3SequenceClassifierOutputWithPast(MemoryGateQwen3Output, SequenceClassifierOutputWithPast):
    """The output of a sequence classifier with what its gates say."""


@dataclass
class MemoryGateQwen3TokenClassifierOutput(MemoryGateQwen3Output, TokenClassifierOutput):
    """The output of a token classifier with what its gates say."""


@dataclass
class MemoryGateQwen3QuestionAnsweringModelOutput(MemoryGateQwen3Output, QuestionAnsweringModelOutput):
    """The output of a question answering model with what its gates say."""


class EnoughRead(Exception):
    """Ends a forward at the layer whose output is all that is wanted of it."""

    def __init__(self, hidden_states: torch.Tensor):
        super().__init__()
        self.hidden_states = hidden_states


class MemorySums(DynamicLayer):
    """A layer of a cache with what queries are made of: for each token the sums over all up to it.

    `keys` are `[batch, heads, tokens, knowledge_dim]`, `values` the sums of the weights, `[batch, heads, tokens, 1]`.
    As a layer of the cache it is reordered, repeated and cropped with the others.
    """


def sums_in(cache: Cache | None) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The sums up to the last token that a cache holds."""
    sums = (each for each in layers_of(cache) if isinstance(each, MemorySums) and each.get_seq_length() > 0)
    layer = next(sums, None)
    return None if layer is None else (layer.keys, layer.values)


def layers_of(cache: Cache | None) -> list:
    """The layers of a cache; of one for decoders that read an encoder, those of the decoder's own tokens."""
    return getattr(getattr(cache, "self_attention_cache", cache), "layers", [])


class MemoryReading:
    """What the gates of one forward share. The base model makes it, and hands it to its layers.

    `rows`, `found` and `alphas` hold what each gate found, by the number of the gate: rows and whether they were found
    (where there was none, the row is 0), `[batch, tokens, num_selected]`, and how far they are let in, `[batch, tokens]`.
    `losses` hold what gates learn from, by the name of the loss and the number of the gate.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        attention_mask: Any = None,
        cache: Cache | None = None,
        targets: torch.Tensor | None = None,
        stops: bool = False,
    ):
        """With `stops` the forward ends with EnoughRead, at the states that queries and keys are made of."""
        self.model, self.config = model, model.config.get_text_config()
        self.attention_mask, self.targets, self.stops = attention_mask, targets, stops
        self.before = sums_in(cache)
        self.sums: tuple[torch.Tensor, torch.Tensor] | None = None
        self.rows: dict[int, torch.Tensor] = {}
        self.found: dict[int, torch.Tensor] = {}
        self.alphas: dict[int, torch.Tensor] = {}
        self.losses: dict[str, dict[int, torch.Tensor]] = {}
        # what the last gate of the original design read, [batch, tokens, num_selected, hidden_size], and how alike it is
        # and whether there was any, [batch, tokens]
        self.read_vectors: torch.Tensor | None = None
        self.read_similarities: torch.Tensor | None = None
        self.has_read: torch.Tensor | None = None
        self.seen = 0 if cache is None else int(cache.get_seq_length())  # tokens in the cache

    @property
    def bank(self) -> nn.Module:
        """The bank of the model."""
        return self.model.memory

    def read(self, layer: nn.Module, hidden_states: torch.Tensor) -> torch.Tensor:
        """The output of a layer, `[batch, tokens, hidden_size]`, with what its gates add to it."""
        if layer.memory_gate is None and layer.gated_memory_fusion is None:
            return hidden_states
        normed = hidden_states if layer.memory_norm is None else layer.memory_norm(hidden_states)
        if layer.memory_gate is not None:
            if self.stops:
                raise EnoughRead(hidden_states)
            layer.memory_gate(normed, self, hidden_states)
        if layer.gated_memory_fusion is None:
            return hidden_states
        return hidden_states + layer.gated_memory_fusion(normed, self, hidden_states)

    def visible(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Which tokens are no padding, `[batch, tokens]`, as far as the attention mask says so."""
        batch, length = hidden_states.shape[:2]
        mask = self.attention_mask
        if isinstance(mask, dict):  # prepared for each kind of layer
            mask = mask.get("full_attention", next(iter(mask.values()), None))
        if not isinstance(mask, torch.Tensor):
            return torch.ones(batch, length, dtype=torch.bool, device=hidden_states.device)
        if mask.ndim == 4:  # prepared for attention: what the last token sees
            seen = mask[:, 0, -1, :]
            seen = seen if seen.dtype == torch.bool else seen == 0
            mask = seen[:, self.seen : self.seen + length]
        return mask[:, -length:].bool().to(hidden_states.device).expand(batch, length)

    def keep(self, cache: Cache | None) -> None:
        """Put what later tokens need into the cache that the model returns."""
        if cache is None or self.sums is None:
            return
        layers = layers_of(cache)
        layer = next((each for each in layers if isinstance(each, MemorySums)), None)
        if layer is None:
            layer = MemorySums()
            layers.append(layer)
        layer.update(*self.sums)


NOTHING = -1  # as a target: no row of the bank answers


def retrieval_loss(gate: nn.Module, queries: torch.Tensor, memory: MemoryReading) -> torch.Tensor:
    """How well queries `[batch, tokens, knowledge_dim]` tell their rows from others, and from there being none.

    For the first token of each run of one target it is the cross-entropy of finding that row among the rows of the
    batch and others drawn from the bank, with the learned threshold as one more choice (InfoNCE, arXiv 1807.03748),
    and half of that of choosing the threshold once the row is gone. For tokens whose target is -1 the threshold is
    right. Neighbours of a row, which often are about the same, are always among the others.
    """
    targets = memory.targets
    before = F.pad(targets[:, :-1], (1, 0), value=-100)
    finds = (targets >= 0) & (targets != before)
    wanted, lacking = targets[finds], queries[targets == NOTHING]
    rows = candidate_rows(wanted, len(memory.bank.memory_bank), memory.config.memory_negatives)
    token_ids = memory.bank.memory_bank[rows.to(memory.bank.memory_bank.device)]
    is_kept = (memory.bank.lengths(token_ids) > 0).to(rows.device) | torch.isin(rows, wanted)
    rows, token_ids = rows[is_kept], token_ids[is_kept.to(token_ids.device)]
    scale, threshold = gate.log_scale.exp().clamp(max=100), gate.null_similarity
    loss = queries.sum() * 0.0
    if not len(rows):
        return loss
    states = memory.bank.states_of(memory.model, rows).to(queries.device)
    keys = gate.keys(states, memory.bank.masks(token_ids).to(queries.device))
    if len(wanted):
        logits = with_threshold(queries[finds] @ keys.T, threshold) * scale
        right = torch.searchsorted(rows, wanted)
        loss = loss + F.cross_entropy(logits, right)
        without = logits.scatter(1, right[:, None], -1e4)
        loss = loss + 0.5 * F.cross_entropy(without, torch.full_like(right, len(rows)))
    if len(lacking):
        logits = with_threshold(lacking @ keys.T, threshold) * scale
        loss = loss + F.cross_entropy(logits, torch.full_like(logits[:, 0], len(rows), dtype=torch.long))
    return loss


def with_threshold(cosines: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Cosines `[queries, rows]` with one more column, of the threshold."""
    return torch.cat([cosines, threshold.expand(len(cosines), 1)], dim=-1)


def candidate_rows(wanted: torch.Tensor, number: int, most: int) -> torch.Tensor:
    """The rows that queries are told apart from, ascending: those wanted, their neighbours, and others drawn at random."""
    near = (wanted[:, None] + torch.arange(-2, 3, device=wanted.device)).flatten().unique()
    near = near[(near >= 0) & (near < number)]
    drawn = torch.randint(number, (max(most - len(near), 0),), device=wanted.device)
    return torch.cat([near, drawn]).unique()


MOST_WEIGHT = 10.0  # of a token in a pool, as a logarithm: sums of its exponential stay in range


class MemoryGateQwen3Gate(nn.Module):
    """Finds rows by content: one encoder makes keys of rows, and queries of the text up to each token.

    A pool of several heads weights the states of tokens, each by a number of its own; its sum is projected and has the
    norm 1. A query is the same of all tokens so far, with weights of its own besides: a running sum, so that a cache
    holds sums alone. Rows are found by the cosine of query and key. Below a learned cosine nothing is in the bank.
    """

    def __init__(self, config: MemoryGateQwen3Config):
        super().__init__()
        self.heads, self.width, self.sharpness = config.memory_heads, config.knowledge_dim, config.memory_sharpness
        self.start = config.memory_null_similarity
        hidden = config.hidden_size
        self.norm = MemoryNorm(hidden, eps=1e-6)
        self.row_weights = nn.Linear(hidden, self.heads, bias=False)
        self.query_weights = nn.Linear(hidden, self.heads, bias=False)
        self.projection = nn.Linear(hidden, self.heads * self.width, bias=False)
        self.row_weights.starts_at_zero = self.query_weights.starts_at_zero = True
        self.null_similarity = nn.Parameter(torch.tensor(float(self.start)))
        self.log_scale = nn.Parameter(torch.tensor(math.log(14.0)))

    def start_memory(self) -> None:
        """Set what is no weight of a linear map."""
        init.constant_(self.null_similarity, self.start)
        init.constant_(self.log_scale, math.log(14.0))

    def weights(self, states: torch.Tensor, mask: torch.Tensor, is_query: bool) -> torch.Tensor:
        """How much each token of normed states counts in a pool, `[batch, tokens, heads]`."""
        logits = self.row_weights(states)
        if is_query:
            logits = logits + self.query_weights(states)
        return (MOST_WEIGHT * (logits / MOST_WEIGHT).tanh()).exp() * mask[..., None]

    def keys(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Keys of rows, `[rows, knowledge_dim]`, of their states `[rows, knowledge_length, hidden_size]`."""
        states = self.norm(states)
        weights = self.weights(states, mask, is_query=False)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-6)
        pooled = torch.einsum("nkh,nkd->nhd", weights, states)
        parts = self.projection.weight.unflatten(0, (self.heads, self.width))
        return F.normalize(torch.einsum("nhd,hwd->nw", pooled, parts).float(), dim=-1)

    def queries(self, hidden_states: torch.Tensor, memory: MemoryReading) -> torch.Tensor:
        """Queries `[batch, tokens, knowledge_dim]`, each of all tokens up to its own.

        Raises ValueError for a cache with tokens that no memory gate has seen.
        """
        if memory.before is None and memory.seen:
            raise ValueError(
                "This cache was filled by a model without memory gates, so that what was read before is not in it: "
                "start with an empty cache."
            )
        states = self.norm(hidden_states)
        weights = self.weights(states, memory.visible(hidden_states), is_query=True).transpose(1, 2)[..., None]
        projected = self.projection(states).unflatten(-1, (self.heads, self.width)).transpose(1, 2)
        weights, projected = weights.float(), projected.float()
        sums = [(weights * projected).cumsum(2), weights.cumsum(2)]  # [batch, heads, tokens, knowledge_dim or 1]
        if memory.before is not None:
            sums = [each + before[:, :, -1:].to(each.device) for each, before in zip(sums, memory.before)]
        memory.sums = sums[0], sums[1]
        return F.normalize((sums[0] / sums[1].clamp(min=1e-6)).sum(1), dim=-1)

    def forward(self, normed: torch.Tensor, memory: MemoryReading, hidden_states: torch.Tensor) -> None:
        """Find rows for each token of `[batch, tokens, hidden_size]`, and leave them in `memory`.

        Where `memory.targets` names a row, it is read in full, whatever was found; the first token of each run of a
        target, and each token whose target is -1 (nothing in the bank), teach the gate to find it.
        """
        queries = self.queries(hidden_states, memory)
        if memory.targets is not None and memory.config.retrieval_loss_coef:
            memory.losses.setdefault("retrieval_loss", {})[0] = retrieval_loss(self, queries, memory)
        with torch.no_grad():
            memory.bank.refresh(memory.model, self)
            config = memory.config
            flat = queries.flatten(0, 1).to(memory.bank.memory_bank.device)
            similarities, rows = memory.bank.find(flat, config.num_candidates, config.num_selected)
            rows = rows.unflatten(0, queries.shape[:2]).to(queries.device)
            similarities = similarities.unflatten(0, queries.shape[:2]).to(queries.device)
        alphas = (self.sharpness * (similarities[..., 0] - self.null_similarity.detach())).sigmoid()
        found = similarities > -1
        if memory.targets is not None:
            is_told = memory.targets >= 0
            rows = rows.clone()
            found[..., 0] |= is_told
            rows[..., 0] = torch.where(is_told, memory.targets, rows[..., 0])
            alphas = alphas.masked_fill(is_told, 1.0)
        memory.rows[0], memory.found[0], memory.alphas[0] = rows, found, alphas


@use_kernel_forward_from_hub("RMSNorm")
class MemoryGateQwen3RMSNorm(nn.Module):
    def __init__(self, hidden_size, eps: float = 1e-6) -> None:
        """
        MemoryGateQwen3RMSNorm is equivalent to T5LayerNorm
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
class MemoryGateQwen3Attention(nn.Module):
    """Multi-headed attention from 'Attention Is All You Need' paper"""

    def __init__(self, config: MemoryGateQwen3Config, layer_idx: int):
        super().__init__()
        self.layer_type = config.layer_types[layer_idx] if hasattr(config, "layer_types") else None
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
        self.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.attention_dropout
        self.is_causal = True

        self.q_proj = nn.Linear(
            config.hidden_size, config.num_attention_heads * self.head_dim, bias=config.attention_bias
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
        self.q_norm = MemoryGateQwen3RMSNorm(
            self.head_dim, eps=config.rms_norm_eps
        )  # unlike olmo, only on the head dim!
        self.k_norm = MemoryGateQwen3RMSNorm(
            self.head_dim, eps=config.rms_norm_eps
        )  # thus post q_norm does not need reshape
        self.sliding_window = config.sliding_window if self.layer_type == "sliding_attention" else None

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

        query_states = self.q_norm(self.q_proj(hidden_states).view(hidden_shape)).transpose(1, 2)
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
            sliding_window=self.sliding_window,  # diff with Llama
            **kwargs,
        )

        attn_output = attn_output.reshape(*input_shape, -1).contiguous()
        attn_output = self.o_proj(attn_output)
        return attn_output, attn_weights


class MemoryGateQwen3MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.hidden_size = config.hidden_size
        self.intermediate_size = config.intermediate_size
        self.gate_proj = nn.Linear(self.hidden_size, self.intermediate_size, bias=False)
        self.up_proj = nn.Linear(self.hidden_size, self.intermediate_size, bias=False)
        self.down_proj = nn.Linear(self.intermediate_size, self.hidden_size, bias=False)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, x):
        down_proj = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))
        return down_proj


def query_layer_of(config: PreTrainedConfig) -> int:
    """The number of the layer whose output queries and keys of rows are made of, from 0."""
    config = config.get_text_config()
    if config.memory_query_layer is not None:
        return config.memory_query_layer
    return min(3, *memory_layers_of(config), config.num_hidden_layers - 1)


def memory_layers_of(config: PreTrainedConfig) -> tuple[int, ...]:
    """The numbers of the layers that write what was read, from 0."""
    config = config.get_text_config()
    layers = config.num_hidden_layers
    if config.memory_layers is not None:
        return tuple(config.memory_layers)
    if not config.use_memory:
        return ()
    return tuple(range(layers)) if config.memory_design == "original" else (max(round(0.8 * layers) - 1, 0),)


def norm_for_memory(config: MemoryGateQwen3Config, number: int) -> nn.Module | None:
    """The norm of what the gates of a layer are given, where that writes what was read."""
    return MemoryNorm(config.hidden_size, eps=1e-6) if number in memory_layers_of(config) else None


def gate_of_memory(config: MemoryGateQwen3Config, number: int, gate: type[MemoryGateQwen3Gate]) -> nn.Module | None:
    """What finds rows: in the content design of one layer, a `gate`, in the original one of each that writes them."""
    if config.memory_design == "original":
        return ProductKeyMemoryGate(config, number) if number in memory_layers_of(config) else None
    return gate(config) if memory_layers_of(config) and number == query_layer_of(config) else None


def fusion_of_memory(config: MemoryGateQwen3Config, number: int) -> nn.Module | None:
    """What writes them, for each layer of `memory_layers`."""
    if number not in memory_layers_of(config):
        return None
    return SwiGLUMemoryFusion(config, number) if config.memory_design == "original" else CopyMemoryFusion(config)


class MemoryGateQwen3DecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: MemoryGateQwen3Config, layer_idx: int):
        super().__init__()
        self.hidden_size = config.hidden_size

        self.self_attn = MemoryGateQwen3Attention(config=config, layer_idx=layer_idx)

        self.mlp = MemoryGateQwen3MLP(config)
        self.input_layernorm = MemoryGateQwen3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = MemoryGateQwen3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.memory_norm = norm_for_memory(config, layer_idx)
        self.memory_gate = gate_of_memory(config, layer_idx, MemoryGateQwen3Gate)
        self.gated_memory_fusion = fusion_of_memory(config, layer_idx)

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        use_cache: bool | None = False,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        memory: MemoryReading | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        residual = hidden_states
        hidden_states = self.input_layernorm(hidden_states)
        # Self Attention
        hidden_states, _ = self.self_attn(
            hidden_states=hidden_states,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            use_cache=use_cache,
            position_embeddings=position_embeddings,
            **kwargs,
        )
        hidden_states = residual + hidden_states

        # Fully Connected
        residual = hidden_states
        hidden_states = self.post_attention_layernorm(hidden_states)
        hidden_states = self.mlp(hidden_states)
        hidden_states = residual + hidden_states
        if memory is not None:
            hidden_states = memory.read(self, hidden_states)
        return hidden_states


def write_memory(model: PreTrainedModel, rows: torch.Tensor, token_ids: torch.Tensor) -> None:
    """Write rows of tokens, `[rows, knowledge_length]`, into the bank, under the numbers `rows`."""
    model.base_model.memory.write(rows, token_ids)


def versions(modules: Iterable[nn.Module]) -> tuple:
    """What tells whether modules compute what they did: which weights they have, and which adapters are switched on."""
    found = []
    for module in modules:
        for weight in module._parameters.values():
            if weight is not None:
                found += version(weight)
        state = vars(module)
        if "_active_adapter" in state:  # a layer of PEFT
            found += state.get("_disable_adapters", False), str(state["_active_adapter"]), str(state.get("scaling"))
    return tuple(found)


def version(tensor: torch.Tensor) -> tuple[int, int]:
    """What tells whether a tensor is as it was: how often it was written to, and where it lies.

    A tensor that was made in `torch.inference_mode` does not count; what it holds at some places stands for that.
    """
    return hash_of_some(tensor) if tensor.is_inference() else tensor._version, tensor.data_ptr()


@torch.no_grad()
def states_below(
    model: nn.Module, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
) -> torch.Tensor:
    """The states that queries and keys are made of, `[batch, tokens, hidden_size]`: the output of an early layer.

    Raises:
        ValueError: no layer of this model finds rows.
    """
    base, was_training = model.base_model, model.training
    base.eval()
    try:
        memory = MemoryReading(base, attention_mask, stops=True)
        base.forward(input_ids=input_ids, attention_mask=attention_mask, use_cache=False, memory=memory)
    except EnoughRead as read:
        return read.hidden_states
    finally:
        base.train(was_training)
    raise ValueError("No layer of this model finds rows of a memory: `memory_layers` is empty, or `use_memory` False.")


def save_memory_gates(model: PreTrainedModel, folder: str | Path) -> None:
    """Write the weights of the gates, without the bank, to `memory_gates.safetensors` in `folder`."""
    weights = {name: weight.detach().clone().contiguous() for name, weight in memory_gate_weights(model).items()}
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_file(weights, Path(folder) / "memory_gates.safetensors", metadata={"format": "pt"})


def retrieval_loss_of(
    model: PreTrainedModel,
    states: torch.Tensor,
    memory_targets: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """The retrieval loss alone, of states that `memory_states` gave, `[batch, tokens, hidden_size]`.

    What is below the gate does not learn, so that states may be kept and used in every epoch.

    Args:
        states: of a batch of texts.
        memory_targets: `[batch, tokens]`, as forwards take them.
        attention_mask: `[batch, tokens]`, 0 for padding.

    Raises:
        ValueError: the design has no such loss.
    """
    gate = content_gate(model)
    memory = MemoryReading(model.base_model, attention_mask, targets=memory_targets)
    return retrieval_loss(gate, gate.queries(states, memory), memory)


def nearest_to(keys: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Which of the centres each vector is nearest to, `[keys]`."""
    norms = centres.square().sum(-1)
    return torch.cat([(2 * part @ centres.T - norms).argmax(-1) for part in keys.split(8192)])


def memory_pad_of(config: PreTrainedConfig) -> int:
    """The token that rows of the bank end with where they are shorter: the model's own for padding, or else 0."""
    config = config.get_text_config()
    pad = config.memory_pad_token_id if config.memory_pad_token_id is not None else config.pad_token_id
    return pad if isinstance(pad, int) and 0 <= pad < config.vocab_size else 0


@torch.no_grad()
def memory_keys(model: PreTrainedModel, token_ids: torch.Tensor) -> torch.Tensor:
    """The vectors of norm 1 by which rows of tokens `[rows, knowledge_length]` are found: `[rows, width]`.

    In the original design, whose keys do not depend on rows, they are the means of the tokens' embeddings.
    """
    base, bank = model.base_model, model.base_model.memory
    token_ids = token_ids.to(bank.memory_bank.device)
    mask = bank.masks(token_ids)
    if model.config.get_text_config().memory_design == "content":
        return content_gate(base).keys(bank.encoded(base, token_ids), mask)
    embedded = base.get_input_embeddings()(token_ids).float() * mask[..., None]
    return nn.functional.normalize(embedded.sum(1), dim=-1)


def memory_gate_weights(model: PreTrainedModel) -> dict[str, nn.Parameter]:
    """What of a model is trained: its gates, by the names of their weights."""
    return {
        name: weight
        for name, weight in model.named_parameters()
        if any(part in MEMORY_MARKS for part in name.split("."))
    }


def memory_bank_of(model: PreTrainedModel) -> torch.Tensor:
    """The token ids of the bank, `[knowledge_num, knowledge_length]`. What is written into it is read from then on."""
    return model.base_model.memory.memory_bank


def loss_function_of_base(model: PreTrainedModel, find: Callable = PreTrainedModel.loss_function.fget) -> Callable:
    """The loss function of a model, called as its base calls it: a forward hands on what the gates are asked as well.

    `find` is a default since `torch.compile` does not look into properties.
    """
    own = find(model)

    def loss_function(*args, hand_on_memory=None, **kwargs):
        return own(*args, **kwargs)

    return loss_function


@torch.no_grad()
def load_memory_gates(model: PreTrainedModel, folder: str | Path) -> None:
    """Read the weights of the gates from `memory_gates.safetensors`.

    Raises:
        FileNotFoundError: `folder` has no such file.
        ValueError: the weights are not those of this model's gates; the first that differs is named.
    """
    file = Path(folder) / "memory_gates.safetensors"
    found, wanted = load_file(file), memory_gate_weights(model)
    for name in wanted | found:
        shapes = [tuple(each[name].shape) if name in each else "missing" for each in (found, wanted)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{file}: `{name}` is {shapes[0]} in the file, and {shapes[1]} in the model.")
    for name, weight in wanted.items():
        weight.copy_(found[name])


def load_explicit_lm(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint of the ExplicitLM project under the names that they have here.

    `layers.3.qwen3_decoder.mlp.up_proj.weight` is `model.layers.3.mlp.up_proj.weight`; the gates of a layer keep their
    names; the bank is `model.memory.memory_bank`. Its copy of the embeddings and what it keeps to tell changes by are left
    out. For a model with `memory_design="original"` and `memory_alpha="mlp"`.

    Raises:
        ValueError: a bank that does not hold whole numbers, by rows.
    """
    found = {}
    for name, weight in weights.items():
        name = name.removeprefix("module.").removeprefix("model.")
        if name in ("tok_embeddings.weight", "prev_memory_bank", "freeze_mask") or name.startswith("rotary_emb."):
            continue
        if name == "memory_bank":
            if weight.ndim != 2 or weight.is_floating_point():
                raise ValueError(
                    f"`memory_bank` is {weight.dtype} of {tuple(weight.shape)}, but must be rows of token ids."
                )
            name, weight = "memory.memory_bank", weight.long()
        name = re.sub(r"^(layers\.\d+)\.qwen3_decoder\.", r"\1.", name)
        found[name if name.startswith("lm_head.") else f"model.{name}"] = weight
    return found


def hash_of_some(tensor: torch.Tensor) -> int:
    """A number for what a tensor holds, at 4,096 places or a few more."""
    flat = tensor.detach().reshape(-1)
    step = max(flat.numel() // PLACES_LOOKED_AT, 1) | 1  # odd, so that it walks through all columns
    return hash(flat[::step].contiguous().view(torch.uint8).cpu().numpy().tobytes())


def freeze_backbone(model: PreTrainedModel) -> None:
    """Have the gates learn, and nothing else."""
    gates = memory_gate_weights(model)
    for name, weight in model.named_parameters():
        weight.requires_grad_(name in gates)


def content_gate(model: PreTrainedModel) -> nn.Module:
    """The gate that finds rows by content. Raises ValueError where there is none."""
    for each in model.base_model.modules():
        if hasattr(each, "null_similarity"):
            return each
    raise ValueError('Only models with `memory_design="content"` find rows by what they say, and learn to.')


def collect_below_gate(module: nn.Module, found: list[nn.Module], is_numbered: bool) -> bool:
    """Add a module, and those inside it, to `found`, and tell whether the gate is inside."""
    found.append(module)
    has_gate = False
    for name, child in module._modules.items():
        if name == "memory_gate":
            has_gate = has_gate or child is not None
        elif child is not None and name not in ("memory_norm", "gated_memory_fusion"):
            is_layer = name.isdigit() and not is_numbered
            if collect_below_gate(child, found, is_numbered or is_layer):
                has_gate = True
                if is_layer:
                    break  # the next ones are behind it
    return has_gate


def check_memory_gate_config(config: PreTrainedConfig) -> None:
    """Raise a ValueError that names the first gate field out of range, its value and what is allowed."""
    for name, choices in MEMORY_GATE_CHOICES.items():
        value = getattr(config, name)
        if value not in choices:
            raise ValueError(f"`{name}` is {value!r}, but must be one of {', '.join(choices)}.")
    for name, least in MEMORY_GATE_COUNTS.items():
        value = getattr(config, name)
        if not isinstance(value, int) or value < least:
            raise ValueError(f"`{name}` is {value!r}, but must be a whole number from {least} on.")
    for name, (low, high) in MEMORY_GATE_RANGES.items():
        value = getattr(config, name)
        if not isinstance(value, float | int) or not low <= value <= high or math.isinf(value):
            raise ValueError(f"`{name}` is {value!r}, but must be a number from {low} to {high}.")
    check_memory_bank_config(config)
    layers = config.get_text_config().num_hidden_layers
    for number in memory_layers_of(config):
        if not isinstance(number, int) or not 0 <= number < layers:
            raise ValueError(
                f"`memory_layers` names the layer {number!r}, but layers have the numbers 0 to {layers - 1} here."
            )
    query, first = query_layer_of(config), min(memory_layers_of(config), default=layers)
    if config.memory_design == "content" and not 0 <= query <= min(first, layers - 1):
        raise ValueError(
            f"`memory_query_layer` is {query!r}, but must be the number of a layer that is not behind the first of "
            f"`memory_layers`, which is {first}."
        )


def check_memory_bank_config(config: PreTrainedConfig) -> None:
    """Raise a ValueError for a bank whose rows make no grid, or a search that asks more of it than it has."""
    root = math.isqrt(config.knowledge_num)
    if root * root != config.knowledge_num:
        raise ValueError(
            f"`knowledge_num` is {config.knowledge_num}, but must be a square number, since rows are found by product "
            f"keys: {root * root} or {(root + 1) ** 2}."
        )
    if config.knowledge_dim % 2:
        raise ValueError(f"`knowledge_dim` is {config.knowledge_dim}, but must be even: keys are made of two halves.")
    if config.num_candidates > root:
        raise ValueError(
            f"`num_candidates` is {config.num_candidates}, but must be at most {root}, the root of `knowledge_num`."
        )
    if config.num_selected > config.num_candidates:
        raise ValueError(
            f"`num_selected` is {config.num_selected}, but must be at most `num_candidates`, which is "
            f"{config.num_candidates}."
        )


def changed_rows(token_ids: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """The numbers of the rows that differ from those of before, both `[rows, knowledge_length]`."""
    parts = zip(token_ids.split(ROWS_COMPARED), before.split(ROWS_COMPARED))
    return torch.cat([(now != then).any(1) for now, then in parts]).nonzero()[:, 0]


def centres_of(keys: torch.Tensor, number: int, rounds: int = 10) -> torch.Tensor:
    """As many centres of vectors `[keys, width]`: k-means from evenly spread ones, the same for the same keys."""
    if not len(keys):
        return keys.new_zeros(number, keys.shape[-1])
    centres = keys[torch.linspace(0, len(keys) - 1, number, device=keys.device).long()].clone()
    for _ in range(rounds):
        nearest = nearest_to(keys, centres)
        counts = torch.bincount(nearest, minlength=number)
        sums = torch.zeros_like(centres).index_add_(0, nearest, keys)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
    return centres


def below_gate(model: nn.Module) -> list[nn.Module]:
    """The modules that the states of rows depend on: all but gates, and layers behind the one that finds rows.

    They are collected anew each time, since adapters, loading and users put others in their places.
    """
    found: list[nn.Module] = []
    collect_below_gate(model, found, is_numbered=False)
    return found


def add_memory_bank(model: PreTrainedModel) -> None:
    """Give a base model its bank; heads have that of theirs."""
    if model.base_model is model and model.config.get_text_config().use_memory and not hasattr(model, "memory"):
        model.memory = MemoryBank(model.config.get_text_config())


ROWS_COMPARED = 65536  # at once


ROWS_AT_ONCE = 256
PLACES_LOOKED_AT = 4096  # of a weight that has no version


class MemoryCells:
    """The rows of a bank in the cells of a grid: the halves of their keys by the nearest of two lists of centres.

    Source: product keys (arXiv 1907.05242) with centres fitted to the keys, as an inverted multi-index has them.
    """

    def __init__(self, keys: torch.Tensor, filled: torch.Tensor):
        root = math.isqrt(len(keys))
        rows = filled.nonzero()[:, 0]
        some = rows[:: max(len(rows) // FITTED_KEYS, 1)]
        halves = keys[some].float().chunk(2, dim=-1)
        self.centres = torch.stack([centres_of(half, root) for half in halves])  # [2, root, knowledge_dim / 2]
        self.cells = torch.zeros(len(keys), dtype=torch.int32, device=keys.device)  # of each row
        self.place(rows, keys, filled)

    def place(self, rows: torch.Tensor, keys: torch.Tensor, filled: torch.Tensor) -> None:
        """Put rows whose keys are new into their cells; the centres stay."""
        for part in rows.split(65536) if len(rows) else ():
            self.cells[part] = self._cells(keys[part].float()).int()
        rows = filled.nonzero()[:, 0]
        cells = self.cells[rows]
        self.order = rows[cells.argsort(stable=True)].int()
        counts = torch.bincount(cells, minlength=self.centres.shape[1] ** 2)
        self.starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int()

    def _cells(self, keys: torch.Tensor) -> torch.Tensor:
        first, second = (nearest_to(half, own) for half, own in zip(keys.chunk(2, dim=-1), self.centres))
        return first * self.centres.shape[1] + second

    def find(
        self, queries: torch.Tensor, keys: torch.Tensor, candidates: int, selected: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The nearest rows of the nearest cells: cosines and numbers, `[tokens, selected]`."""
        parts = [self._find(part, keys, candidates, selected) for part in queries.split(ROWS_AT_ONCE)]
        return torch.cat([each for each, _ in parts]), torch.cat([each for _, each in parts])

    def _find(
        self, queries: torch.Tensor, keys: torch.Tensor, candidates: int, selected: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        cells = self.nearest(queries, candidates)
        starts = self.starts[cells].long()
        counts = self.starts[cells + 1].long() - starts
        ends = counts.cumsum(-1)
        places = torch.arange(max(int(ends.max()), selected), device=queries.device).expand(len(queries), -1)
        which = torch.searchsorted(ends, places.contiguous(), right=True)
        is_there = which < candidates
        which = which.clamp(max=candidates - 1)
        inside = places - (ends - counts).gather(-1, which) + starts.gather(-1, which)
        rows = self.order[inside.clamp(0, max(len(self.order) - 1, 0))].long() if len(self.order) else inside * 0
        cosines = torch.einsum("td,tcd->tc", queries, keys[rows].to(queries)).masked_fill(~is_there, -1)
        found = cosines.topk(selected, dim=-1)
        return found.values, rows.gather(-1, found.indices).masked_fill(found.values == -1, 0)

    def nearest(self, queries: torch.Tensor, candidates: int) -> torch.Tensor:
        """The numbers of the cells whose centres are nearest, `[tokens, candidates]`, nearest first."""
        root = self.centres.shape[1]
        halves = zip(queries.chunk(2, dim=-1), self.centres.to(queries))
        tops = [(2 * half @ own.T - own.square().sum(-1)).topk(candidates, dim=-1) for half, own in halves]
        sums = (tops[0].values[:, :, None] + tops[1].values[:, None]).flatten(1)
        best = sums.topk(candidates, dim=-1).indices
        first, second = best // candidates, best % candidates
        return tops[0].indices.gather(-1, first) * root + tops[1].indices.gather(-1, second)


class MemoryBank(nn.Module):
    """Rows of tokens that people can read and edit, never trained, and what is made of them.

    `memory_bank` is `[knowledge_num, knowledge_length]`. A row ends at its last token that is no padding. Everything else
    is made of it when it is wanted, and made again for the rows that have changed since.
    """

    def __init__(self, config: PreTrainedConfig):
        super().__init__()
        self.pad = memory_pad_of(config)
        shape = (config.knowledge_num, config.knowledge_length)
        self.register_buffer("memory_bank", torch.full(shape, self.pad, dtype=torch.long))
        self.kept_states = KEPT_STATES
        self.forget()

    def start_memory(self) -> None:
        """Fill the bank with empty rows, unless it was loaded."""
        init.constant_(self.memory_bank, self.pad)

    def forget(self) -> None:
        """Have everything that is made of the rows made again."""
        self.keys: torch.Tensor | None = None
        self.cells: MemoryCells | None = None
        self.states: OrderedDict[int, torch.Tensor] = OrderedDict()
        self.filled: torch.Tensor | None = None  # which rows are not empty
        self.stale: torch.Tensor | None = None  # whose keys are to be made
        self._seen: torch.Tensor | None = None  # the rows that all this was made of, in int32
        self._known_rows = self._known_layers = self._known_gate = ()

    def __getstate__(self) -> dict:
        kept = MemoryBank.__new__(MemoryBank)
        kept.forget()
        return self.__dict__ | vars(kept)

    def lengths(self, token_ids: torch.Tensor) -> torch.Tensor:
        """How many tokens each row has, `[rows]`: up to its last one that is no padding."""
        places = torch.arange(1, token_ids.shape[1] + 1, device=token_ids.device)
        return ((token_ids != self.pad) * places).amax(1)

    def masks(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Which places of rows hold their tokens, `[rows, knowledge_length]`."""
        return torch.arange(token_ids.shape[1], device=token_ids.device) < self.lengths(token_ids)[:, None]

    def write(self, rows: torch.Tensor, token_ids: torch.Tensor) -> None:
        """Write `token_ids`, `[rows, knowledge_length]`, into the bank.

        Raises:
            IndexError: a row is none of the bank's.
            ValueError: the tokens have not the shape of the rows.
        """
        number, length = self.memory_bank.shape
        if token_ids.shape != (len(rows), length):
            raise ValueError(
                f"{len(rows)} rows have {length} tokens each, but those to write are {tuple(token_ids.shape)}."
            )
        if len(wrong := rows[(rows < 0) | (rows >= number)]):
            raise IndexError(f"Row {int(wrong[0])} is none of the bank's, which has 0 to {number - 1}.")
        rows = rows.to(self.memory_bank.device)
        is_known = self._seen is not None and version(self.memory_bank) == self._known_rows
        with torch.inference_mode(self.memory_bank.is_inference()), torch.no_grad():
            self.memory_bank[rows] = token_ids.to(self.memory_bank)
        if is_known:  # the other rows need not be looked at
            self._seen[rows] = self.memory_bank[rows].to(self._seen)
            self._known_rows = version(self.memory_bank)
            self._changed(rows)

    def encoded(self, model: nn.Module, token_ids: torch.Tensor) -> torch.Tensor:
        """The states that keys of rows are made of, `[rows, knowledge_length, hidden_size]`."""
        mask = self.masks(token_ids)
        mask[:, 0] = True  # an empty row has to attend to something
        return states_below(model, token_ids, mask.long())

    def states_of(self, model: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        """The same for rows of the bank, of which those that were read last are kept."""
        self._look(model)
        wanted = rows.tolist()
        missing = list(dict.fromkeys(row for row in wanted if row not in self.states))
        for start in range(0, len(missing), ROWS_AT_ONCE):
            part = missing[start : start + ROWS_AT_ONCE]
            for row, states in zip(part, self.encoded(model, self.memory_bank[part]).unbind()):
                self.states[row] = states.clone()
        found = []
        for row in wanted:
            self.states.move_to_end(row)
            found.append(self.states[row])
        size = found[0].numel() * found[0].element_size() if found else 1
        while len(self.states) > max(self.kept_states // size, 1):
            self.states.popitem(last=False)
        return torch.stack(found)

    @torch.inference_mode(False)  # what is kept may be written to in any mode
    @torch.no_grad()
    def refresh(self, model: nn.Module, gate: nn.Module) -> None:
        """Make the keys of all rows that have changed since they were made, of all rows where the gate has."""
        self._look(model)
        if (known := versions(gate.modules())) != self._known_gate:
            self._known_gate = known
            self.stale.fill_(True)
            self.cells = None
        if self.keys is None:
            number, width = len(self.memory_bank), model.config.get_text_config().knowledge_dim
            kind = torch.float32 if number * width <= 2**24 else torch.float16
            self.keys = torch.zeros(number, width, dtype=kind, device=self.memory_bank.device)
        rows = (self.stale & self.filled).nonzero()[:, 0]
        for part in rows.split(ROWS_AT_ONCE) if len(rows) else ():
            tokens = self.memory_bank[part]
            self.keys[part] = gate.keys(self.encoded(model, tokens), self.masks(tokens)).to(self.keys)
        if self.cells is not None and self.stale.any():
            self.cells.place(self.stale.nonzero()[:, 0], self.keys, self.filled)
        self.stale.fill_(False)

    @torch.inference_mode(False)
    @torch.no_grad()
    def adopt_keys(self, model: nn.Module, gate: nn.Module, keys: torch.Tensor) -> None:
        """Take keys `[knowledge_num, knowledge_dim]` that were made of these very rows before, which spares making them.

        Raises:
            ValueError: their number or width is another one.
        """
        wanted = (len(self.memory_bank), model.config.get_text_config().knowledge_dim)
        if keys.shape != wanted:
            raise ValueError(f"The keys of this bank are {wanted}, but those given {tuple(keys.shape)}.")
        self._look(model)
        keys = keys.clone() if keys.is_inference() else keys
        self.keys, self.cells, self._known_gate = keys.to(self.memory_bank.device), None, versions(gate.modules())
        self.stale.fill_(False)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _look(self, model: nn.Module) -> None:
        """Tell which rows have changed since they were last looked at, and whether the layers below the gate have."""
        bank, seen = self.memory_bank, self._seen
        if (known := version(bank)) != self._known_rows or bank.is_inference():
            self._known_rows = known
            if seen is None or seen.device != bank.device or seen.shape != bank.shape:
                self._seen = bank.int()
                self.keys, self.cells, self.filled = None, None, self.lengths(bank) > 0
                self.stale = torch.ones_like(self.filled)
                self.states.clear()
            elif len(rows := changed_rows(bank, seen)):
                seen[rows] = bank[rows].int()
                self._changed(rows)
        layers = versions(below_gate(model))
        if layers != self._known_layers:
            self._known_layers = layers
            self.stale.fill_(True)
            self.states.clear()
            self.cells = None

    def _changed(self, rows: torch.Tensor) -> None:
        self.stale[rows] = True
        self.filled[rows] = self.lengths(self.memory_bank[rows]) > 0
        for row in rows.tolist():
            self.states.pop(row, None)

    def find(self, queries: torch.Tensor, candidates: int, selected: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows whose keys are nearest to queries `[tokens, knowledge_dim]`, nearest first.

        In a bank of more than 4,096 rows they are looked for in the `candidates` nearest cells of the grid of product
        keys, so that a query costs about the root of the number of rows.

        Returns:
            Cosines, and the numbers of the rows, both `[tokens, selected]`. Where fewer rows were found, -1 and row 0.
        """
        assert self.keys is not None and self.filled is not None
        selected = min(selected, len(self.keys))
        if len(self.keys) <= EXACT_ROWS:
            cosines = (queries @ self.keys.to(queries).T).masked_fill(~self.filled.to(queries.device), -1)
            found = cosines.topk(selected, dim=-1)
            return found.values, found.indices.masked_fill(found.values == -1, 0)
        if self.cells is None:
            with torch.inference_mode(False), torch.no_grad():
                self.cells = MemoryCells(self.keys, self.filled)
        return self.cells.find(queries, self.keys, candidates, selected)


MEMORY_MARKS = ("memory_norm", "memory_gate", "gated_memory_fusion")  # of the names of what is trained
MEMORY_GATE_RANGES = {
    "freeze_ratio": (0, 1),
    "gumbel_temperature": (0, math.inf),
    "memory_dropout": (0, 1),
    "memory_sharpness": (0, math.inf),
    "memory_null_similarity": (-1, 1),
    "gate_score_weight": (0, math.inf),
    "similarity_scale": (0, math.inf),
    "similarity_loss_coef": (0, math.inf),
    "diversity_loss_coef": (0, math.inf),
    "retrieval_loss_coef": (0, math.inf),
}
MEMORY_GATE_COUNTS = {
    "knowledge_num": 1,
    "knowledge_length": 1,
    "knowledge_dim": 2,
    "num_candidates": 1,
    "num_selected": 1,
    "memory_heads": 1,
    "memory_head_dim": 1,
    "memory_negatives": 1,
}


MEMORY_GATE_CHOICES = {
    "memory_design": ("content", "original"),
    "memory_alpha": ("monotone", "mlp", "linear"),
    "diversity_mode": ("weighted", "uniform"),
}
KEPT_STATES = 64 * 2**20  # bytes of the states of rows that were read last
FITTED_KEYS = 65536  # cells are fitted to as many


EXACT_ROWS = 4096  # up to here all keys are compared, which is faster than to look into cells


@auto_docstring
class MemoryGateQwen3PreTrainedModel(PreTrainedModel):
    config: MemoryGateQwen3Config
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["MemoryGateQwen3DecoderLayer"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True

    _can_compile_fullgraph = True
    _supports_attention_backend = True
    _can_record_outputs = {
        "hidden_states": MemoryGateQwen3DecoderLayer,
        "attentions": MemoryGateQwen3Attention,
    }
    _keep_in_fp32_modules_strict = ["memory_gate", "gated_memory_fusion", "memory_norm"]
    memory_bank = property(memory_bank_of)
    write_memory = write_memory
    memory_keys = memory_keys
    memory_states = states_below
    retrieval_loss = retrieval_loss_of
    freeze_backbone = freeze_backbone
    save_memory_gates = save_memory_gates
    load_memory_gates = load_memory_gates
    load_explicit_lm = staticmethod(load_explicit_lm)
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)

    def __init__(self, config: MemoryGateQwen3Config, *inputs, **kwargs):
        check_memory_gate_config(config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), MemoryGateQwen3Model, exist_ok=True)
        super().__init__(config, *inputs, **kwargs)

    def post_init(self):
        add_memory_bank(self)
        super().post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if hasattr(module, "start_memory"):
            module.start_memory()
        if getattr(module, "starts_at_zero", False):
            init.zeros_(module.weight)


class MemoryGateQwen3RotaryEmbedding(nn.Module):
    def __init__(self, config: MemoryGateQwen3Config):
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
    def compute_default_rope_parameters(config: MemoryGateQwen3Config, **kwargs) -> tuple[torch.Tensor, float]:
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


def returns_memory(output_class: type[ModelOutput]) -> Callable[[Callable], Callable]:
    """Decorate the `forward` of a model or head: it returns what was read, where that is asked for, in an `output_class`.

    It names two keyword arguments, so that they go nowhere else:

        output_memory: whether to return what was read. Where it is not given, the configuration's says so.
        memory_targets: for training, the row that each token is to read, `[batch, tokens]`; -1 where none of the bank
            answers, -100 where nothing is known. A row that is named is read in full.
    """

    def decorate(forward: Callable) -> Callable:
        own = signature(forward).parameters
        names = [name for name, each in own.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]

        @wraps(forward)
        def wrapper(self, *args, **kwargs):
            if kwargs.get("hand_on_memory") is not None or kwargs.get("memory") is not None:
                return forward(self, *args, **kwargs)  # a head asks, and answers for this model
            named = dict(zip(names[1:], args))
            if len(named) < len(args) or named.keys() & kwargs:
                return unwrap(forward)(self, *args, **kwargs)  # Python says what is wrong
            kwargs.update(named)
            asked = kwargs.pop("output_memory", None)
            if asked is None:
                asked = self.config.get_text_config().output_memory
            call = MemoryCall(kwargs.pop("memory_targets", None), asked)
            fields = dict(forward(self, hand_on_memory=call, **kwargs))
            return output_class(**add_memory(self, fields, call, **kwargs))

        return can_return_tuple(wrapper)

    return decorate


def reads_memory(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, between `returns_memory` and `capture_outputs`: it makes the reading."""

    @wraps(forward)
    def wrapper(self, *args, hand_on_memory: MemoryCall | None = None, **kwargs):
        if hand_on_memory is None or not self.config.get_text_config().use_memory:
            return forward(self, *args, **kwargs)
        call, mask = hand_on_memory, kwargs.get("attention_mask")
        memory = MemoryReading(self, mask, cache_of(kwargs), call.targets)
        call.reading = memory
        outputs = forward(self, *args, memory=memory, **kwargs | {"return_dict": True})
        memory.keep(cache_of(outputs))
        return outputs

    return wrapper


def cache_of(values: Mapping[str, Any]) -> Cache | None:
    """The cache among arguments or outputs; releases name it one way or the other."""
    named = set(values.keys())  # `in` knows old names, and warns of them
    return next((values[name] for name in ("cache", "past_key_values") if name in named), None)


class MemoryCall:
    """What a call of a head asks of the gates, and the reading that its base model made for it."""

    def __init__(self, targets: torch.Tensor | None = None, asked: bool = False):
        self.targets, self.asked = targets, asked
        self.reading: MemoryReading | None = None


def add_memory(
    model: PreTrainedModel, fields: dict[str, Any], call: MemoryCall, labels: torch.Tensor | None = None, **kwargs
) -> dict[str, Any]:
    """The fields of a base's output, and those that the gates add."""
    loss, memory = fields.get("loss"), call.reading
    if loss is not None:
        fields["lm_loss"] = loss
    if memory is None:
        return fields
    if labels is not None or call.targets is not None:
        config = model.config.get_text_config()
        means = {name: torch.stack([*each.values()]).mean() for name, each in memory.losses.items()}
        weighted = [getattr(config, f"{name}_coef") * each for name, each in means.items()]
        if means:
            fields["aux_loss"] = means
            weighted = torch.stack(weighted).sum()
            fields["loss"] = weighted if loss is None else loss + weighted.to(loss.device)
    if call.asked:
        fields["memory_rows"], fields["memory_alphas"] = tuple(memory.rows.values()), tuple(memory.alphas.values())
        found = [rows[memory.found[number]] for number, rows in memory.rows.items()]
        fields["memory_stats"] = memory_stats(found, fields["memory_alphas"], len(memory.bank.memory_bank))
    return fields


@auto_docstring
class MemoryGateQwen3Model(MemoryGateQwen3PreTrainedModel):
    _tp_plan = {
        "layers.*.memory_gate.row_weights": "replicate",
        "layers.*.memory_gate.query_weights": "replicate",
        "layers.*.memory_gate.projection": "replicate",
        "layers.*.memory_gate.gate_proj": "replicate",
        "layers.*.gated_memory_fusion.query": "replicate",
        "layers.*.gated_memory_fusion.key": "replicate",
        "layers.*.gated_memory_fusion.previous_key": "replicate",
        "layers.*.gated_memory_fusion.gate_proj": "replicate",
        "layers.*.gated_memory_fusion.up_proj": "replicate",
        "layers.*.gated_memory_fusion.down_proj": "replicate",
    }

    def __init__(self, config: MemoryGateQwen3Config):
        super().__init__(config)
        self.padding_idx = config.pad_token_id
        self.vocab_size = config.vocab_size

        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, self.padding_idx)
        self.layers = nn.ModuleList(
            [MemoryGateQwen3DecoderLayer(config, layer_idx) for layer_idx in range(config.num_hidden_layers)]
        )
        self.norm = MemoryGateQwen3RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = MemoryGateQwen3RotaryEmbedding(config=config)
        self.gradient_checkpointing = False
        self.has_sliding_layers = "sliding_attention" in self.config.layer_types

        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_memory(MemoryGateQwen3ModelOutputWithPast)
    @reads_memory
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
        output_memory: bool | None = None,
        memory_targets: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPast:
        r"""
        output_memory (`bool`, *optional*):
            Whether to return which rows of the memory were read. If it is not given, `config.output_memory` decides.
        memory_targets (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            For training, the row that each token is to read; `-1` where none of the bank answers, `-100` where nothing is
            known.
        """
        if (input_ids is None) ^ (inputs_embeds is not None):
            raise ValueError("You must specify exactly one of input_ids or inputs_embeds")

        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)

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
            }
            # The sliding window alternating layers are not always activated depending on the config
            if self.has_sliding_layers:
                causal_mask_mapping["sliding_attention"] = create_sliding_window_causal_mask(**mask_kwargs)

        hidden_states = inputs_embeds
        position_embeddings = self.rotary_emb(hidden_states, position_ids)

        for i, decoder_layer in enumerate(self.layers[: self.config.num_hidden_layers]):
            hidden_states = decoder_layer(
                hidden_states,
                attention_mask=causal_mask_mapping[self.config.layer_types[i]],
                position_embeddings=position_embeddings,
                position_ids=position_ids,
                cache=cache,
                use_cache=use_cache,
                **kwargs,
            )

        hidden_states = self.norm(hidden_states)
        return BaseModelOutputWithPast(
            last_hidden_state=hidden_states,
            cache=cache if use_cache else None,
        )


class MemoryNorm(nn.RMSNorm):
    """A norm in float32, whatever its input is."""

    def start_memory(self) -> None:
        """Change nothing."""
        init.ones_(self.weight)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """`[..., hidden_size]` to the same in float32."""
        return super().forward(hidden_states.to(self.weight.dtype))


LEAST_ALPHA = 0.02  # below, nothing is read


def sized(states: torch.Tensor) -> torch.Tensor:
    """Vectors of any type with a root mean square of 1, in float32."""
    states = states.float()
    return states * torch.rsqrt(states.square().mean(-1, keepdim=True) + 1e-6)


class CopyMemoryFusion(nn.Module):
    """Copies tokens of the rows that were found into the residual stream, by attention over them.

    Queries are made of the layer's output, keys of the states of the row's tokens and those before them; a silent place
    has no value. Values are the tokens' own embeddings, which are not learned, so that tokens can be copied that were
    in no row of training. The output is scaled by the size of the residual, and by `alpha`.
    """

    def __init__(self, config: MemoryGateQwen3Config):
        super().__init__()
        hidden, self.heads, self.width = config.hidden_size, config.memory_heads, config.memory_head_dim
        self.starts_silent = config.zero_init_fusion
        self.query = nn.Linear(hidden, self.heads * self.width, bias=False)
        self.key = nn.Linear(hidden, self.heads * self.width, bias=False)
        self.previous_key = nn.Linear(hidden, self.heads * self.width, bias=False)
        self.silent_key = nn.Parameter(torch.zeros(self.heads, self.width))
        self.gain = nn.Parameter(torch.zeros(self.heads, hidden))

    def start_memory(self) -> None:
        """Set what is no weight of a linear map."""
        init.zeros_(self.silent_key)
        if self.starts_silent:
            init.zeros_(self.gain)
        else:
            init.normal_(self.gain, std=0.02)

    def forward(self, normed: torch.Tensor, memory: MemoryReading, hidden_states: torch.Tensor) -> torch.Tensor:
        """What is added to a layer's output `[batch, tokens, hidden_size]`."""
        alphas = memory.alphas[0].to(hidden_states.device)
        reads = alphas > LEAST_ALPHA
        if memory.before is None:
            reads = reads & memory.visible(hidden_states)
        added = torch.zeros_like(hidden_states)
        if not reads.any():
            return added
        rows, found = (each[0].to(reads.device)[reads] for each in (memory.rows, memory.found))
        written = self.copied(normed[reads], rows, found, memory)
        size = hidden_states[reads].float().square().mean(-1, keepdim=True).sqrt()
        return added.masked_scatter(reads[..., None], (alphas[reads][:, None] * size * written).to(added.dtype))

    def copied(
        self, normed: torch.Tensor, rows: torch.Tensor, found: torch.Tensor, memory: MemoryReading
    ) -> torch.Tensor:
        """The values that each of some tokens attends to, `[tokens, hidden_size]`.

        They are those of the rows that were `found` among `rows`, both `[tokens, selected]`.
        """
        bank, device = memory.bank, normed.device
        unique, which = rows.unique(return_inverse=True)
        token_ids = bank.memory_bank[unique.to(bank.memory_bank.device)]
        states = sized(bank.states_of(memory.model, unique).to(device)).to(normed.dtype)
        before = F.pad(states[:, :-1], (0, 0, 1, 0))
        keys = (self.key(states) + self.previous_key(before)).unflatten(-1, (self.heads, self.width))
        values = sized(memory.model.get_input_embeddings()(token_ids.to(device)).detach())
        mask = bank.masks(token_ids).to(device)[which] & found[..., None]
        mask = mask.flatten(1)  # [tokens, selected * knowledge_length]
        keys, values = keys[which].flatten(1, 2), values[which].flatten(1, 2)
        queries = self.query(normed).unflatten(-1, (self.heads, self.width))
        scores = torch.einsum("thw,tkhw->thk", queries, keys).masked_fill(~mask[:, None], -torch.inf)
        silent = (queries * self.silent_key).sum(-1, keepdim=True)
        weights = (torch.cat([scores, silent], dim=-1) / self.width**0.5).softmax(-1)[..., :-1]
        return torch.einsum("thk,tkd,hd->td", weights.float(), values, self.gain.float())


def similarity_loss(similarities: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """The mean of the similarities of what was chosen, `[batch, tokens]`, with the sign turned; padding is left out."""
    return -(similarities * visible).sum() / visible.sum().clamp(min=1)


def diversity_loss(vectors: torch.Tensor, probabilities: torch.Tensor | None, visible: torch.Tensor) -> torch.Tensor:
    """How alike the candidates of a token are: the mean cosine of pairs of `[batch, tokens, candidates, hidden_size]`.

    With `probabilities` of the candidates, `[batch, tokens, candidates]`, pairs are weighted by their product, so that
    the gate learns from it.
    """
    number = vectors.shape[-2]
    if number < 2:
        return vectors.sum() * 0.0
    vectors = F.normalize(vectors, dim=-1)
    cosines = vectors @ vectors.transpose(-1, -2)
    weights = (
        torch.ones_like(cosines) if probabilities is None else probabilities[..., None] * probabilities[..., None, :]
    )
    weights = weights * ~torch.eye(number, dtype=torch.bool, device=vectors.device)
    pairs = (weights * cosines).sum((-1, -2)) / weights.sum((-1, -2)).clamp(min=1e-9)
    return (pairs * visible).sum() / visible.sum().clamp(min=1)


def linear_of(inputs: int, outputs: int, rank: int | None) -> nn.Module:
    """A linear map without bias, whole or as the product of two of a rank."""
    if rank is None:
        return nn.Linear(inputs, outputs, bias=False)
    return nn.Sequential(nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs, bias=False))


def chosen(logits: torch.Tensor, number: int, temperature: float, is_drawn: bool) -> torch.Tensor:
    """As many candidates of `[..., candidates]`, best first, as one-hot weights `[..., number, candidates]`.

    In training they are drawn, by Gumbel noise (arXiv 1611.01144), without replacement, and the weights carry the
    gradient of their softmax.
    """
    if is_drawn:
        noise = -torch.empty_like(logits).exponential_().log()
        logits = (logits + noise) / temperature
    weights, left = [], logits
    for _ in range(number):
        soft = left.softmax(-1)
        hard = F.one_hot(left.argmax(-1), left.shape[-1]).to(soft.dtype)
        weights.append(hard - soft.detach() + soft if is_drawn else hard)
        left = left.masked_fill(hard.bool(), -1e5)
    return torch.stack(weights, dim=-2)


class ProductKeyMemoryGate(nn.Module):
    """Finds candidates by learned product keys: the row `i * root + j` by the i-th first and the j-th second key.

    Source: product keys (arXiv 1907.05242), as ExplicitLM has them.
    """

    def __init__(self, config: MemoryGateQwen3Config, number: int):
        super().__init__()
        self.number, root = number, math.isqrt(config.knowledge_num)
        self.gate_proj = linear_of(config.hidden_size, config.knowledge_dim, config.memory_rank)
        self.keys = nn.Parameter(torch.zeros(2, root, config.knowledge_dim // 2))

    def start_memory(self) -> None:
        """Draw the keys, so that scores of normed queries are about 1."""
        init.normal_(self.keys, std=(self.keys.shape[-1]) ** -0.5)

    def found(self, normed: torch.Tensor, candidates: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows and their log probabilities among each other, best first, `[batch, tokens, candidates]`."""
        halves = zip(self.gate_proj(normed).chunk(2, dim=-1), self.keys)
        tops = [(half @ keys.T).topk(candidates, dim=-1) for half, keys in halves]
        sums = (tops[0].values[..., :, None] + tops[1].values[..., None, :]).flatten(-2)
        best = sums.topk(candidates, dim=-1)
        first = tops[0].indices.gather(-1, best.indices // candidates)
        second = tops[1].indices.gather(-1, best.indices % candidates)
        return first * self.keys.shape[1] + second, best.values.float().log_softmax(-1)

    def forward(self, normed: torch.Tensor, memory: MemoryReading, hidden_states: torch.Tensor) -> None:
        """Leave in `memory` what was chosen for each token of `[batch, tokens, hidden_size]`, and the losses of it."""
        config, bank = memory.config, memory.bank
        rows, log_probabilities = self.found(normed, config.num_candidates)
        unique, which = rows.unique(return_inverse=True)
        token_ids = bank.memory_bank[unique.to(bank.memory_bank.device)]
        mask = bank.masks(token_ids)
        embedded = memory.model.get_input_embeddings()(token_ids.to(normed.device)).float().detach()
        mask = mask.to(normed.device)
        means = (embedded * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        vectors, is_filled = means[which], mask.any(1)[which]
        cosines = F.cosine_similarity(normed[..., None, :].float(), vectors, dim=-1)
        logits = config.similarity_scale * cosines + config.gate_score_weight * log_probabilities
        logits = logits.masked_fill(~is_filled, -1e4)
        weights = chosen(logits, config.num_selected, config.gumbel_temperature, self.training)  # [..., selected, C]
        similarities = (weights * cosines[..., None, :]).sum(-1).mean(-1)
        memory.read_vectors = weights @ vectors  # [batch, tokens, selected, hidden_size]
        memory.read_similarities = similarities
        memory.has_read = is_filled.any(-1)
        best = weights.detach().argmax(-1)
        memory.rows[self.number], memory.found[self.number] = rows.gather(-1, best), is_filled.gather(-1, best)
        visible = memory.visible(normed) & memory.has_read
        uniform = config.diversity_mode == "uniform"
        losses = {
            "similarity_loss": similarity_loss(similarities, visible),
            "diversity_loss": diversity_loss(vectors, None if uniform else log_probabilities.exp(), visible),
        }
        for name, loss in losses.items():
            memory.losses.setdefault(name, {})[self.number] = loss


class SwiGLUMemoryFusion(nn.Module):
    """Mixes what was read into the residual stream, as far as it is like the text: `alpha * F(normed, read)`."""

    def __init__(self, config: MemoryGateQwen3Config, number: int):
        super().__init__()
        hidden, rank, self.number, self.mode = config.hidden_size, config.memory_rank, number, config.memory_alpha
        width = (1 + config.num_selected) * hidden
        self.gate_proj = linear_of(width, hidden, rank)
        self.up_proj = linear_of(width, hidden, rank)
        self.down_proj = linear_of(hidden, hidden, rank)
        last = self.down_proj if rank is None else self.down_proj[1]
        last.starts_at_zero = config.zero_init_fusion
        self.dropout = nn.Dropout(config.memory_dropout)
        if self.mode == "mlp":
            small = max(hidden // 4, 1)
            self.similarity_gate = nn.Sequential(
                nn.Linear(1, small, bias=False), nn.SiLU(), nn.Linear(small, 1, bias=False)
            )
            self.memory_weight_bias = nn.Parameter(torch.zeros(()))
        elif self.mode == "monotone":
            self.alpha_slope = nn.Parameter(torch.tensor(10.0))
            self.alpha_threshold = nn.Parameter(torch.tensor(0.5))

    def start_memory(self) -> None:
        """Set what is no weight of a linear map."""
        if self.mode == "mlp":
            init.zeros_(self.memory_weight_bias)
        elif self.mode == "monotone":
            init.constant_(self.alpha_slope, 10.0)  # whose softplus is 10, to four digits
            init.constant_(self.alpha_threshold, 0.5)

    def alphas(self, similarities: torch.Tensor) -> torch.Tensor:
        """How much is written by how alike it is, from 0 to 1, `[batch, tokens]` both."""
        if self.mode == "linear":
            return similarities.clamp(0, 1)
        if self.mode == "mlp":
            given = similarities[..., None].to(self.similarity_gate[0].weight.dtype)
            told = self.similarity_gate(given)[..., 0].sigmoid()
            return (told + self.memory_weight_bias).clamp(0, 1)
        return (F.softplus(self.alpha_slope) * (similarities - self.alpha_threshold)).sigmoid()

    def forward(self, normed: torch.Tensor, memory: MemoryReading, hidden_states: torch.Tensor) -> torch.Tensor:
        """What is added to a layer's output `[batch, tokens, hidden_size]`."""
        alphas = self.alphas(memory.read_similarities) * memory.has_read
        memory.alphas[self.number] = alphas.detach()
        both = torch.cat([normed, memory.read_vectors.flatten(-2).to(normed.dtype)], dim=-1)
        mixed = self.dropout(self.down_proj(F.silu(self.gate_proj(both)) * self.up_proj(both)))
        return (alphas[..., None] * mixed).to(hidden_states.dtype)


@auto_docstring
class MemoryGateQwen3ForCausalLM(MemoryGateQwen3PreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}
    _pp_plan = {"lm_head": (["hidden_states"], ["logits"])}
    _fsdp_plan = {"lm_head": "keep_full_weight"}

    def __init__(self, config: MemoryGateQwen3Config):
        super().__init__(config)
        self.model = MemoryGateQwen3Model(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_memory(MemoryGateQwen3CausalLMOutputWithPast)
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
        *,
        output_memory: bool | None = None,
        memory_targets: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> CausalLMOutputWithPast:
        r"""
        output_memory (`bool`, *optional*):
            Whether to return which rows of the memory were read. If it is not given, `config.output_memory` decides.
        memory_targets (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            For training, the row that each token is to read; `-1` where none of the bank answers, `-100` where nothing is
            known.

        Example:

        ```python
        >>> outputs = model(**inputs, output_memory=True)
        >>> rows, alphas = outputs.memory_rows[0], outputs.memory_alphas[0]  # what was found, and how far it was let in
        ```"""
        outputs: BaseModelOutputWithPast = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )

        hidden_states = outputs.last_hidden_state
        hidden_states = slice_logits_to_keep(hidden_states, logits_to_keep)
        logits = self.lm_head(hidden_states)

        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)

        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            cache=outputs.cache,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


class MemoryGateQwen3ForSequenceClassification(GenericForSequenceClassification, MemoryGateQwen3PreTrainedModel):
    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_memory(MemoryGateQwen3SequenceClassifierOutputWithPast)
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
        output_memory: bool | None = None,
        memory_targets: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SequenceClassifierOutputWithPast:
        r"""
        output_memory (`bool`, *optional*):
            Whether to return which rows of the memory were read. If it is not given, `config.output_memory` decides.
        memory_targets (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            For training, the row that each token is to read; `-1` where none of the bank answers, `-100` where nothing is
            known.

        Example:

        ```python
        >>> outputs = model(**inputs, output_memory=True)
        >>> rows, alphas = outputs.memory_rows[0], outputs.memory_alphas[0]  # what was found, and how far it was let in
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


class MemoryGateQwen3ForTokenClassification(GenericForTokenClassification, MemoryGateQwen3PreTrainedModel):
    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_memory(MemoryGateQwen3TokenClassifierOutput)
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
        output_memory: bool | None = None,
        memory_targets: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> TokenClassifierOutput:
        r"""
        output_memory (`bool`, *optional*):
            Whether to return which rows of the memory were read. If it is not given, `config.output_memory` decides.
        memory_targets (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            For training, the row that each token is to read; `-1` where none of the bank answers, `-100` where nothing is
            known.

        Example:

        ```python
        >>> outputs = model(**inputs, output_memory=True)
        >>> rows, alphas = outputs.memory_rows[0], outputs.memory_alphas[0]  # what was found, and how far it was let in
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


class MemoryGateQwen3ForQuestionAnswering(GenericForQuestionAnswering, MemoryGateQwen3PreTrainedModel):
    base_model_prefix = "model"  # with the base's own no weight of a causal language model would be found

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_memory(MemoryGateQwen3QuestionAnsweringModelOutput)
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
        output_memory: bool | None = None,
        memory_targets: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> QuestionAnsweringModelOutput:
        r"""
        output_memory (`bool`, *optional*):
            Whether to return which rows of the memory were read. If it is not given, `config.output_memory` decides.
        memory_targets (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            For training, the row that each token is to read; `-1` where none of the bank answers, `-100` where nothing is
            known.

        Example:

        ```python
        >>> outputs = model(**inputs, output_memory=True)
        >>> rows, alphas = outputs.memory_rows[0], outputs.memory_alphas[0]  # what was found, and how far it was let in
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
    "MemoryGateQwen3PreTrainedModel",
    "MemoryGateQwen3Model",
    "MemoryGateQwen3ForCausalLM",
    "MemoryGateQwen3ForSequenceClassification",
    "MemoryGateQwen3ForTokenClassification",
    "MemoryGateQwen3ForQuestionAnswering",
    "load_explicit_lm",
]
