# Generated from modular/modular_quality_gate_clvp.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_clvp`.
# Seal: sha256 54b8611fc59e66f19da55650d71edcdb3d4b7b2e78ee3c4226a1200da0cd1051
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

import copy
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
from torch.nn import CrossEntropyLoss

from transformers import initialization as init
from transformers.activations import ACT2FN, get_activation
from transformers.cache_utils import Cache, DynamicCache
from transformers.configuration_utils import PreTrainedConfig
from transformers.generation import GenerationConfig, GenerationMixin
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.modeling_outputs import (
    BaseModelOutputWithPastAndCrossAttentions,
    BaseModelOutputWithPooling,
    CausalLMOutputWithCrossAttentions,
)
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.processing_utils import Unpack
from transformers.pytorch_utils import Conv1D
from transformers.utils import ModelOutput, TransformersKwargs, auto_docstring, can_return_tuple, logging
from transformers.utils.deprecation import deprecate_kwarg
from transformers.utils.generic import maybe_autocast, merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .configuration_quality_gate_clvp import (
    QualityGateClvpConfig,
    QualityGateClvpDecoderConfig,
    QualityGateClvpEncoderConfig,
)


logger = logging.get_logger(__name__)


@dataclass
class QualityGateClvpGateOutput(ModelOutput):
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
class QualityGateClvpModelOutputWithPastAndCrossAttentions(
    QualityGateClvpGateOutput, BaseModelOutputWithPastAndCrossAttentions
):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateClvpCausalLMOutputWithCrossAttentions(QualityGateClvpGateOutput, CausalLMOutputWithCrossAttentions):
    """The output of a language model with what its gates say."""


class QualityGateClvpScores:
    """The scores of one call: whether it wants any, and each gate's `[batch, tokens, 1]`, in the order of the layers.

    `routers` is what the caller said of `output_router_logits`. A head names that argument, and does not hand it on.

    Layers hand it to their gates. No hook is involved, since transformers' own cannot be pickled and `torch.compile`
    cannot install them.
    """

    def __init__(self, asked: bool, routers: bool | None = None):
        self.asked = asked
        self.routers = routers
        self.logits: list[torch.Tensor] = []


class QualityGateClvpGate(nn.Module):
    """Scores how good the text up to each token is, by one linear map of the feed-forward network's normed input.

    Source: the Quality-Gate project, where it only observes; its sigmoid scales the experts in Select-MoE.
    """

    def __init__(self, config: QualityGateClvpConfig):
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, 1, bias=False, dtype=torch.float32)
        self.gate.scores_quality = True  # tells `_init_weights`, which for custom code sees no module without weights

    def forward(
        self, hidden_states: torch.Tensor, output_quality_logits: QualityGateClvpScores | bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`[batch, tokens, hidden_size]` to the score and its sigmoid, both `[batch, tokens, 1]` in float32.

        The score is added to those that `output_quality_logits` collects.
        """
        with maybe_autocast(hidden_states.device.type, enabled=False):
            quality_score = self.gate(hidden_states.to(self.gate.weight.dtype)).float()
            good_ratio = quality_score.sigmoid()
        if isinstance(output_quality_logits, QualityGateClvpScores):
            output_quality_logits.logits.append(quality_score)
        return quality_score, good_ratio


def rotate_half(x):
    """Rotates half the hidden dims of the input."""
    x1 = x[..., : x.shape[-1] // 2]
    x2 = x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


def apply_rotary_pos_emb(q, k, v, cos, sin, position_ids, unsqueeze_dim=1):
    """Applies Rotary Position Embedding to the query and key tensors.

    Args:
        q (`torch.Tensor`): The query tensor.
        k (`torch.Tensor`): The key tensor.
        cos (`torch.Tensor`): The cosine part of the rotary embedding.
        sin (`torch.Tensor`): The sine part of the rotary embedding.
        position_ids (`torch.Tensor`):
            The position indices of the tokens corresponding to the query and key tensors. For example, this can be
            used to pass offsetted position ids when working with a KV-cache.
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
    cos = cos[position_ids].unsqueeze(unsqueeze_dim)
    sin = sin[position_ids].unsqueeze(unsqueeze_dim)
    q_embed = (q * cos) + (rotate_half(q) * sin)
    k_embed = (k * cos) + (rotate_half(k) * sin)
    v_embed = (v * cos) + (rotate_half(v) * sin)
    return q_embed, k_embed, v_embed


class QualityGateClvpSelfAttention(nn.Module):
    """
    Multi-headed attention to combine Absolute and Rotary Positional Embeddings into a single Attention module.
    """

    def __init__(self, config, layer_idx=None):
        super().__init__()
        self.config = config
        self.embed_dim = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.head_dim = self.embed_dim // self.num_heads
        if self.head_dim * self.num_heads != self.embed_dim:
            raise ValueError(
                f"embed_dim must be divisible by num_heads (got `embed_dim`: {self.embed_dim} and `num_heads`:"
                f" {self.num_heads})."
            )
        self.scale = self.head_dim**-0.5
        self.dropout = config.attention_dropout
        self.layer_idx = layer_idx

        if hasattr(config, "max_position_embeddings"):
            max_positions = config.max_position_embeddings
            bias = torch.tril(torch.ones((max_positions, max_positions), dtype=torch.bool))
            bias = bias.view(1, 1, max_positions, max_positions)
            self.bias = nn.Buffer(bias, persistent=False)

        self.k_proj = nn.Linear(self.embed_dim, self.embed_dim, bias=config.use_attention_bias)
        self.v_proj = nn.Linear(self.embed_dim, self.embed_dim, bias=config.use_attention_bias)
        self.q_proj = nn.Linear(self.embed_dim, self.embed_dim, bias=config.use_attention_bias)
        self.out_proj = nn.Linear(self.embed_dim, self.embed_dim)

    def _shape(self, tensor: torch.Tensor, seq_len: int, bsz: int):
        return tensor.view(bsz, seq_len, self.num_heads, self.head_dim).transpose(1, 2).contiguous()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        rotary_pos_emb: torch.Tensor | None = None,
        attention_mask: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        use_cache: bool | None = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        # Raise error when position_ids is None but rotary_pos_emb is provided, because we need that when applying
        # rotary_pos_emb to query and key states.
        if rotary_pos_emb is not None and position_ids is None:
            raise ValueError("`position_ids` must be provided when `rotary_pos_emb` is not None.")

        bsz, _, embed_dim = hidden_states.size()

        # get query proj
        query_states = self._shape(self.q_proj(hidden_states), -1, bsz) * self.scale
        key_states = self._shape(self.k_proj(hidden_states), -1, bsz)
        value_states = self._shape(self.v_proj(hidden_states), -1, bsz)

        if cache is not None:
            key_states, value_states = cache.update(key_states, value_states, self.layer_idx, kwargs=kwargs)

        if rotary_pos_emb is not None:
            rotary_emb_dim = rotary_pos_emb.shape[-1]

            # Partial rotary embedding
            query_rot, query_pass = (
                query_states[..., :rotary_emb_dim],
                query_states[..., rotary_emb_dim:],
            )
            key_rot, key_pass = (
                key_states[..., :rotary_emb_dim],
                key_states[..., rotary_emb_dim:],
            )
            value_rot, value_pass = (
                value_states[..., :rotary_emb_dim],
                value_states[..., rotary_emb_dim:],
            )

            cos, sin = rotary_pos_emb.cos().squeeze(0), rotary_pos_emb.sin().squeeze(0)
            query_rot, key_rot, value_rot = apply_rotary_pos_emb(query_rot, key_rot, value_rot, cos, sin, position_ids)

            # [batch_size, num_heads, seq_length, head_dim]
            query_states = torch.cat((query_rot, query_pass), dim=-1)
            key_states = torch.cat((key_rot, key_pass), dim=-1)
            value_states = torch.cat((value_rot, value_pass), dim=-1)

        tgt_len = query_states.shape[2]
        src_len = key_states.shape[2]
        attn_weights = torch.matmul(query_states, key_states.transpose(2, 3))

        if attention_mask is not None:
            if attention_mask.size() != (bsz, 1, tgt_len, src_len):
                raise ValueError(
                    f"Attention mask should be of size {(bsz, 1, tgt_len, src_len)}, but is {attention_mask.size()}"
                )
            attn_weights = attn_weights + attention_mask

        attn_weights = nn.functional.softmax(attn_weights, dim=-1)

        attn_probs = nn.functional.dropout(attn_weights, p=self.dropout, training=self.training)
        attn_output = torch.matmul(attn_probs, value_states)

        if attn_output.size() != (bsz, self.num_heads, tgt_len, self.head_dim):
            raise ValueError(
                f"`attn_output` should be of size {(bsz, self.num_heads, tgt_len, self.head_dim)}, but is"
                f" {attn_output.size()}"
            )

        attn_output = attn_output.transpose(1, 2).contiguous()
        attn_output = attn_output.reshape(bsz, tgt_len, self.embed_dim)

        attn_output = self.out_proj(attn_output)

        return attn_output, attn_weights


class QualityGateClvpRMSNorm(nn.Module):
    def __init__(self, hidden_size, eps: float = 1e-6) -> None:
        """
        QualityGateClvpRMSNorm is equivalent to T5LayerNorm
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


class QualityGateClvpGatedLinearUnit(nn.Module):
    """
    `QualityGateClvpGatedLinearUnit` uses the second half of the `hidden_states` to act as a gate for the first half of the
    `hidden_states` which controls the flow of data from the first of the tensor.
    """

    def __init__(self, config):
        super().__init__()
        self.activation_fn = ACT2FN[config.hidden_act]
        self.proj = nn.Linear(config.hidden_size, config.intermediate_size * 2)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        hidden_states, gate = self.proj(hidden_states).chunk(2, dim=-1)
        return hidden_states * self.activation_fn(gate)


class QualityGateClvpEncoderMLP(nn.Module):
    """
    This MLP is used in QUALITY_GATE_CLVP speech or text encoder models.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config

        self.fc1 = QualityGateClvpGatedLinearUnit(config)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout_layer = nn.Dropout(config.dropout)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        hidden_states = self.fc1(hidden_states)
        hidden_states = self.dropout_layer(hidden_states)
        hidden_states = self.fc2(hidden_states)
        return hidden_states


class QualityGateClvpEncoderLayer(nn.Module):
    def __init__(self, config: QualityGateClvpConfig):
        super().__init__()
        self.config = config
        self.embed_dim = config.hidden_size
        self.self_attn = QualityGateClvpSelfAttention(config)
        self.mlp = QualityGateClvpEncoderMLP(config)

        self.input_rmsnorm = QualityGateClvpRMSNorm(self.embed_dim, eps=config.layer_norm_eps)
        self.post_attention_rmsnorm = QualityGateClvpRMSNorm(self.embed_dim, eps=config.layer_norm_eps)

    def forward(
        self,
        hidden_states: torch.Tensor,
        rotary_pos_emb: torch.Tensor,
        attention_mask: torch.LongTensor,
        position_ids: torch.LongTensor,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        residual = hidden_states

        hidden_states = self.input_rmsnorm(hidden_states)

        hidden_states, _ = self.self_attn(
            hidden_states,
            rotary_pos_emb=rotary_pos_emb,
            attention_mask=attention_mask,
            position_ids=position_ids,
            **kwargs,
        )

        hidden_states = residual + hidden_states

        residual = hidden_states
        hidden_states = self.post_attention_rmsnorm(hidden_states)
        hidden_states = self.mlp(hidden_states)
        hidden_states = residual + hidden_states

        return hidden_states


class QualityGateClvpDecoderMLP(nn.Module):
    def __init__(self, intermediate_size, config):
        super().__init__()
        embed_dim = config.hidden_size
        self.c_fc = Conv1D(intermediate_size, embed_dim)
        self.c_proj = Conv1D(embed_dim, intermediate_size)
        self.act = ACT2FN[config.activation_function]
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, hidden_states: tuple[torch.Tensor] | None) -> torch.Tensor:
        hidden_states = self.c_fc(hidden_states)
        hidden_states = self.act(hidden_states)
        hidden_states = self.c_proj(hidden_states)
        hidden_states = self.dropout(hidden_states)
        return hidden_states


class QualityGateClvpDecoderLayer(nn.Module):
    def __init__(self, config: QualityGateClvpDecoderConfig, layer_idx=None):
        super().__init__()
        hidden_size = config.hidden_size
        inner_dim = config.n_inner if config.n_inner is not None else 4 * hidden_size

        self.input_layernorm = nn.LayerNorm(hidden_size, eps=config.layer_norm_epsilon)
        self.attn = QualityGateClvpSelfAttention(config, layer_idx=layer_idx)
        self.post_attention_layernorm = nn.LayerNorm(hidden_size, eps=config.layer_norm_epsilon)

        self.mlp = QualityGateClvpDecoderMLP(inner_dim, config)
        self.quality_gate = QualityGateClvpGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        cache: Cache | None = None,
        attention_mask: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        use_cache: bool | None = False,
        output_quality_logits: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        residual = hidden_states
        hidden_states = self.input_layernorm(hidden_states)
        hidden_states, _ = self.attn(
            hidden_states,
            cache=cache,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=use_cache,
            **kwargs,
        )
        # residual connection
        hidden_states = hidden_states + residual

        residual = hidden_states
        hidden_states = self.post_attention_layernorm(hidden_states)
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(hidden_states, output_quality_logits)
        feed_forward_hidden_states = self.mlp(hidden_states)
        if self.scale_ffn:
            feed_forward_hidden_states = good_ratio.to(feed_forward_hidden_states.dtype) * feed_forward_hidden_states
        # residual connection
        hidden_states = residual + feed_forward_hidden_states

        return hidden_states


class QualityGateClvpRotaryPositionalEmbedding(nn.Module):
    """
    Rotary Position Embedding Class for QUALITY_GATE_CLVP. It was proposed in the paper 'ROFORMER: ENHANCED TRANSFORMER WITH ROTARY
    POSITION EMBEDDING', Please see https://huggingface.co/papers/2104.09864.
    """

    def __init__(self, config):
        super().__init__()
        dim = max(config.projection_dim // (config.num_attention_heads * 2), 32)
        inv_freq = 1.0 / (10000 ** (torch.arange(0, dim, 2, dtype=torch.int64).float() / dim))

        self.inv_freq = nn.Buffer(inv_freq)
        self.cached_sequence_length = None
        self.cached_rotary_positional_embedding = None

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        sequence_length = hidden_states.shape[1]

        if sequence_length == self.cached_sequence_length and self.cached_rotary_positional_embedding is not None:
            return self.cached_rotary_positional_embedding

        self.cached_sequence_length = sequence_length
        time_stamps = torch.arange(sequence_length, device=hidden_states.device).type_as(self.inv_freq)
        freqs = time_stamps[:, None] * self.inv_freq
        embeddings = torch.cat((freqs, freqs), dim=-1)

        self.cached_rotary_positional_embedding = embeddings.unsqueeze(0)
        return self.cached_rotary_positional_embedding


def _pad_extra_bos_eos_tokens(
    input_ids,
    attention_mask=None,
    pad_token_id=0,
    bos_token_id=255,
    eos_token_id=0,
    add_bos_token=True,
    add_eos_token=True,
):
    """
    This method adds extra bos and eos tokens to input_ids and accordingly modifies the attention_mask which is used in
    `QualityGateClvpConditioningEncoder` and the generation loop of the `QualityGateClvpModelForConditionalGeneration`.
    """

    # add the bos token at the beginning
    if add_bos_token:
        input_ids = torch.nn.functional.pad(input_ids, (1, 0), value=bos_token_id)
        attention_mask = (
            torch.nn.functional.pad(attention_mask, (1, 0), value=1) if attention_mask is not None else attention_mask
        )

    modified_input_ids = input_ids
    if add_eos_token:
        # Locate the first pad per row — fall back to `seq_len` for rows without any pad —
        # then build (B, T+1) by gathering input_ids with cols shifted by one past `first_pad`
        # and writing `eos_token_id` at the `first_pad` column.
        seq_len = input_ids.shape[1]
        is_pad = input_ids == pad_token_id
        first_pad = torch.where(
            is_pad.any(1, keepdim=True),
            is_pad.int().argmax(1, keepdim=True),
            torch.tensor(seq_len, device=input_ids.device),
        )
        col = torch.arange(seq_len + 1, device=input_ids.device)
        src = torch.where(col < first_pad, col, (col - 1).clamp(min=0))
        modified_input_ids = input_ids.gather(1, src).masked_fill(col == first_pad, eos_token_id)

        attention_mask = (
            torch.nn.functional.pad(attention_mask, (1, 0), value=1) if attention_mask is not None else attention_mask
        )

    return modified_input_ids, attention_mask


class QualityGateClvpConditioningEncoder(nn.Module):
    """
    This class processes the log-mel spectrograms(extracted by the Feature Extractor) and text tokens(produced by the
    tokenizer) as inputs for the decoder model.

    First each log-mel spectrogram is processed into a single vector which captures valuable characteristics from each
    of them, then the text tokens are converted into token embeddings and position embeddings are added afterwards.
    Both of these vectors are concatenated and then passed to the decoder model.

    The text tokens helps to incorporate the "text information" and the log-mel spectrogram is used to specify the
    "voice characteristics" into the generated mel tokens.
    """

    def __init__(self, config: QualityGateClvpConfig):
        super().__init__()

        self.text_config = config.text_config
        self.decoder_config = config.decoder_config

        self.text_token_embedding = nn.Embedding(self.text_config.vocab_size, self.decoder_config.hidden_size)
        self.text_position_embedding = nn.Embedding(
            self.decoder_config.max_text_tokens, self.decoder_config.hidden_size
        )

        self.mel_conv = nn.Conv1d(self.decoder_config.feature_size, self.decoder_config.hidden_size, kernel_size=1)

        # define group norms to be used before each attention layer
        num_groups = self.compute_groupnorm_groups(self.decoder_config.hidden_size)
        self.group_norms = nn.ModuleList(
            [
                nn.GroupNorm(num_groups, self.decoder_config.hidden_size, eps=1e-5, affine=True)
                for _ in range(self.decoder_config.num_mel_attn_blocks)
            ]
        )

        # define the attention layers
        self.mel_attn_blocks = nn.ModuleList(
            [QualityGateClvpSelfAttention(self.decoder_config) for _ in range(self.decoder_config.num_mel_attn_blocks)]
        )

        self.gradient_checkpointing = False

    def compute_groupnorm_groups(self, channels: int, groups: int = 32):
        """
        Calculates the value of `num_groups` for nn.GroupNorm. This logic is taken from the official tortoise
        repository. link :
        https://github.com/neonbjb/tortoise-tts/blob/4003544b6ff4b68c09856e04d3eff9da26d023c2/tortoise/models/arch_util.py#L26
        """
        if channels <= 16:
            groups = 8
        elif channels <= 64:
            groups = 16
        while channels % groups != 0:
            groups = int(groups / 2)

        if groups <= 2:
            raise ValueError(
                f"Number of groups for the GroupNorm must be greater than 2, but it is {groups}."
                f"Please consider using a different `hidden_size`"
            )

        return groups

    def forward(
        self,
        input_features: torch.Tensor,
        input_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        attention_mask: torch.LongTensor | None = None,
    ):
        # process text
        if input_ids is not None and inputs_embeds is not None:
            raise ValueError("You cannot specify both input_ids and inputs_embeds at the same time")
        elif input_ids is not None:
            batch_size, seq_length = input_ids.size()
        elif inputs_embeds is not None:
            batch_size, seq_length = inputs_embeds.size()[:-1]
        else:
            raise ValueError("You have to specify either input_ids or inputs_embeds")

        # construct attention mask if not given
        if attention_mask is None:
            attention_mask = torch.ones([batch_size, seq_length], dtype=torch.long, device=input_ids.device)

        # We add bos and eos input_ids in the modeling file instead of the tokenizer file to keep the logic simple
        # This logic is specific to QualityGateClvpConditioningEncoder and not used by other modules.
        input_ids, attention_mask = _pad_extra_bos_eos_tokens(
            input_ids,
            attention_mask,
            bos_token_id=self.text_config.bos_token_id,
            eos_token_id=self.text_config.eos_token_id,
        )

        inputs_embeds = self.text_token_embedding(input_ids)
        position_ids = attention_mask.cumsum(-1) - 1
        position_embeds = self.text_position_embedding(position_ids)
        text_embeds = inputs_embeds + position_embeds

        if self.gradient_checkpointing and self.training:
            # process each log-mel spectrogram into a single vector
            mel_spec = torch.utils.checkpoint.checkpoint(self.mel_conv, input_features)

            for i, mel_attn_block in enumerate(self.mel_attn_blocks):
                residual_mel_spec = mel_spec.transpose(1, 2)

                mel_spec = torch.utils.checkpoint.checkpoint(self.group_norms[i], mel_spec).transpose(1, 2)
                mel_spec = torch.utils.checkpoint.checkpoint(mel_attn_block, mel_spec)[0] + residual_mel_spec
                mel_spec = mel_spec.transpose(1, 2)

        else:
            # process each log-mel spectrogram into a single vector
            mel_spec = self.mel_conv(input_features)

            for i, mel_attn_block in enumerate(self.mel_attn_blocks):
                residual_mel_spec = mel_spec.transpose(1, 2)

                mel_spec = self.group_norms[i](mel_spec).transpose(1, 2)
                mel_spec = mel_attn_block(mel_spec)[0] + residual_mel_spec
                mel_spec = mel_spec.transpose(1, 2)

        mel_spec = mel_spec[:, :, 0]
        mel_spec = mel_spec.unsqueeze(1)

        # repeat if there is either (1 text vs N audios) or (N texts vs 1 audio)
        if text_embeds.shape[0] == 1 and mel_spec.shape[0] != 1:
            text_embeds = text_embeds.repeat(mel_spec.shape[0], 1, 1)
        elif text_embeds.shape[0] != 1 and mel_spec.shape[0] == 1:
            mel_spec = mel_spec.repeat(text_embeds.shape[0], 1, 1)
        # If there is N texts and M audios we will raise error since the number of text and audio must be same.
        elif text_embeds.shape[0] != mel_spec.shape[0]:
            raise ValueError(
                f"The number of texts and number of audios must be same. "
                f"Found {text_embeds.shape[0]} texts vs {mel_spec.shape[0]} audios"
            )

        return torch.concat([mel_spec, text_embeds], dim=1)


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
class QualityGateClvpPreTrainedModel(PreTrainedModel):
    config: QualityGateClvpConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _can_record_outputs = {
        "hidden_states": [QualityGateClvpEncoderLayer, QualityGateClvpDecoderLayer],
        "attentions": QualityGateClvpSelfAttention,
    }
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates
    __getstate__ = state_without_hooks
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)

    @torch.no_grad()
    def _init_weights(self, module):
        """Initialize the weights"""
        super()._init_weights(module)
        factor = self.config.initializer_factor
        if isinstance(module, nn.Embedding):
            init.normal_(module.weight, mean=0.0, std=factor * 0.02)
        elif isinstance(module, (nn.Linear, Conv1D, nn.Conv1d)):
            init.normal_(module.weight, mean=0.0, std=factor * 0.02)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, QualityGateClvpEncoderMLP):
            in_proj_std = (module.config.hidden_size**-0.5) * ((2 * module.config.num_hidden_layers) ** -0.5) * factor
            fc_std = (2 * module.config.hidden_size) ** -0.5 * factor
            init.normal_(module.fc1.proj.weight if getattr(module.fc1, "proj") else module.fc1.weight, std=fc_std)
            init.normal_(module.fc2.weight, std=in_proj_std)
        elif isinstance(module, QualityGateClvpEncoder):
            config = self.config.get_text_config()
            factor = config.initializer_factor
            init.normal_(module.projection.weight, mean=0.0, std=factor * (config.hidden_size**-0.5))
        elif isinstance(module, QualityGateClvpConditioningEncoder):
            init.normal_(module.mel_conv.weight, mean=0.0, std=factor)
            init.zeros_(module.mel_conv.bias)
        elif isinstance(module, QualityGateClvpDecoderMLP):
            # Special Scaled Initialization --> residual projection (`c_proj`) per Transformer Block (GPT-2 scheme)
            decoder_config = getattr(self.config, "decoder_config", None) or self.config
            init.normal_(
                module.c_proj.weight,
                mean=0.0,
                std=decoder_config.initializer_range / math.sqrt(2 * decoder_config.num_hidden_layers),
            )
        elif isinstance(module, QualityGateClvpModelForConditionalGeneration):
            init.constant_(module.logit_scale, self.config.logit_scale_init_value)
        elif isinstance(module, QualityGateClvpSelfAttention):
            if hasattr(module.config, "max_position_embeddings"):
                max_positions = module.config.max_position_embeddings
                bias = torch.tril(torch.ones((max_positions, max_positions), dtype=torch.bool))
                bias = bias.view(1, 1, max_positions, max_positions)
                init.copy_(module.bias, bias)
        elif isinstance(module, QualityGateClvpRotaryPositionalEmbedding):
            dim = max(self.config.projection_dim // (self.config.num_attention_heads * 2), 32)
            inv_freq = 1.0 / (10000 ** (torch.arange(0, dim, 2, dtype=torch.int64).float() / dim))
            init.copy_(module.inv_freq, inv_freq)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)

    def __init__(self, config: QualityGateClvpDecoderConfig, *inputs, **kwargs):
        if isinstance(config, QualityGateClvpDecoderConfig):  # models of images or sound beside it have no gates
            check_quality_gate_config(config)
            self.quality_gate_fields = quality_gate_fields(config)  # that its layers are built from
            # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
            AutoModel._model_mapping.register(type(config), QualityGateClvpModel, exist_ok=True)
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


@auto_docstring(
    custom_intro="""
    Base class for QUALITY_GATE_CLVP encoder's outputs that contains a pooling of the last hidden states as well as a projection
    output (a linear layer on top of the pooled output).
    """
)
@dataclass
class QualityGateClvpEncoderOutput(ModelOutput):
    r"""
    embeds (`torch.Tensor` of shape `(batch_size, output_dim)`, *optional*, returned when model is initialized with `with_projection=True`):
        The embeddings obtained by applying the projection layer to the pooler_output.
    last_hidden_state (`torch.Tensor` of shape `(batch_size, sequence_length, hidden_size)`):
        The hidden state of the last layer of the model.
    pooler_output (`torch.Tensor` of shape `(batch_size, hidden_size)`):
        Pooled output of the `last_hidden_state`.
    """

    embeds: torch.Tensor | None = None
    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor] | None = None
    attentions: tuple[torch.Tensor] | None = None


class QualityGateClvpSequenceSummary(nn.Module):
    r"""
    Compute a single vector summary of a sequence hidden states.

    Args:
        config ([`QualityGateClvpConfig`]):
            The config used by the model. Relevant arguments in the config class of the model are (refer to the actual
            config class of your model for the default values it uses):

            - **summary_type** (`str`) -- The method to use to make this summary. Accepted values are:

                - `"last"` -- Take the last token hidden state (like XLNet)
                - `"first"` -- Take the first token hidden state (like Bert)
                - `"mean"` -- Take the mean of all tokens hidden states
                - `"cls_index"` -- Supply a Tensor of classification token position (GPT/GPT-2)
                - `"attn"` -- Not implemented now, use multi-head attention

            - **summary_use_proj** (`bool`) -- Add a projection after the vector extraction.
            - **summary_proj_to_labels** (`bool`) -- If `True`, the projection outputs to `config.num_labels` classes
              (otherwise to `config.hidden_size`).
            - **summary_activation** (`Optional[str]`) -- Set to `"tanh"` to add a tanh activation to the output,
              another string or `None` will add no activation.
            - **summary_first_dropout** (`float`) -- Optional dropout probability before the projection and activation.
            - **summary_last_dropout** (`float`)-- Optional dropout probability after the projection and activation.
    """

    def __init__(self, config: QualityGateClvpConfig):
        super().__init__()

        self.summary_type = getattr(config, "summary_type", "last")
        if self.summary_type == "attn":
            # We should use a standard multi-head attention module with absolute positional embedding for that.
            # Cf. https://github.com/zihangdai/xlnet/blob/master/modeling.py#L253-L276
            # We can probably just use the multi-head attention module of PyTorch >=1.1.0
            raise NotImplementedError

        self.summary = nn.Identity()
        if hasattr(config, "summary_use_proj") and config.summary_use_proj:
            if hasattr(config, "summary_proj_to_labels") and config.summary_proj_to_labels and config.num_labels > 0:
                num_classes = config.num_labels
            else:
                num_classes = config.hidden_size
            self.summary = nn.Linear(config.hidden_size, num_classes)

        activation_string = getattr(config, "summary_activation", None)
        self.activation: Callable = get_activation(activation_string) if activation_string else nn.Identity()

        self.first_dropout = nn.Identity()
        if hasattr(config, "summary_first_dropout") and config.summary_first_dropout > 0:
            self.first_dropout = nn.Dropout(config.summary_first_dropout)

        self.last_dropout = nn.Identity()
        if hasattr(config, "summary_last_dropout") and config.summary_last_dropout > 0:
            self.last_dropout = nn.Dropout(config.summary_last_dropout)

    def forward(self, hidden_states: torch.Tensor, cls_index: torch.LongTensor | None = None) -> torch.Tensor:
        """
        Compute a single vector summary of a sequence hidden states.

        Args:
            hidden_states (`torch.Tensor` of shape `[batch_size, seq_len, hidden_size]`):
                The hidden states of the last layer.
            cls_index (`torch.LongTensor` of shape `[batch_size]` or `[batch_size, ...]` where ... are optional leading dimensions of `hidden_states`, *optional*):
                Used if `summary_type == "cls_index"` and takes the last token of the sequence as classification token.

        Returns:
            `torch.Tensor`: The summary of the sequence hidden states.
        """
        if self.summary_type == "last":
            output = hidden_states[:, -1]
        elif self.summary_type == "first":
            output = hidden_states[:, 0]
        elif self.summary_type == "mean":
            output = hidden_states.mean(dim=1)
        elif self.summary_type == "cls_index":
            if cls_index is None:
                cls_index = torch.full_like(
                    hidden_states[..., :1, :],
                    hidden_states.shape[-2] - 1,
                    dtype=torch.long,
                )
            else:
                cls_index = cls_index.unsqueeze(-1).unsqueeze(-1)
                cls_index = cls_index.expand((-1,) * (cls_index.dim() - 1) + (hidden_states.size(-1),))
            # shape of cls_index: (bsz, XX, 1, hidden_size) where XX are optional leading dim of hidden_states
            output = hidden_states.gather(-2, cls_index).squeeze(-2)  # shape (bsz, XX, hidden_size)
        elif self.summary_type == "attn":
            raise NotImplementedError

        output = self.first_dropout(output)
        output = self.summary(output)
        output = self.activation(output)
        output = self.last_dropout(output)

        return output


class QualityGateClvpEncoder(QualityGateClvpPreTrainedModel):
    """
    Transformer encoder consisting of `config.num_hidden_layers` self attention layers. Each layer is a
    [`QualityGateClvpEncoderLayer`].

    Args:
        config: QualityGateClvpConfig
    """

    config: QualityGateClvpEncoderConfig

    def __init__(self, config: QualityGateClvpEncoderConfig):
        super().__init__(config)

        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.rotary_pos_emb = QualityGateClvpRotaryPositionalEmbedding(config) if config.use_rotary_embedding else None
        self.layers = nn.ModuleList([QualityGateClvpEncoderLayer(config) for _ in range(config.num_hidden_layers)])

        self.sequence_summary = QualityGateClvpSequenceSummary(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

        self.projection = nn.Linear(config.hidden_size, config.projection_dim, bias=False)

        self.gradient_checkpointing = False

        self.post_init()

    def get_input_embeddings(self):
        return self.token_embedding

    def set_input_embeddings(self, value):
        self.token_embedding = value

    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.LongTensor | None = None,
        attention_mask: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> QualityGateClvpEncoderOutput:
        if (input_ids is None) ^ (inputs_embeds is not None):
            raise ValueError("You must specify exactly one of input_ids or inputs_embeds")

        if inputs_embeds is None:
            inputs_embeds = self.token_embedding(input_ids)

        # expand attention_mask and create position_ids if needed
        attention_mask = create_bidirectional_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
        )

        if position_ids is None:
            device = input_ids.device if input_ids is not None else inputs_embeds.device
            position_ids = torch.arange(inputs_embeds.shape[1], dtype=torch.long, device=device)
            position_ids = position_ids.unsqueeze(0)

        rotary_pos_emb = self.rotary_pos_emb(inputs_embeds) if self.rotary_pos_emb is not None else None

        hidden_states = inputs_embeds
        for encoder_layer in self.layers:
            hidden_states = encoder_layer(
                hidden_states,
                rotary_pos_emb,
                attention_mask,
                position_ids,
                **kwargs,
            )

        last_hidden_state = self.final_layer_norm(hidden_states)

        # take the mean over axis 1 and get pooled output
        pooled_output = self.sequence_summary(last_hidden_state)

        # apply the projection layer
        embeds = self.projection(pooled_output)

        return QualityGateClvpEncoderOutput(
            embeds=embeds,
            last_hidden_state=last_hidden_state,
            pooler_output=pooled_output,
        )


@auto_docstring
@dataclass
class QualityGateClvpOutput(ModelOutput):
    r"""
    loss (`torch.Tensor` of shape `(1,)`, *optional*, returned when `return_loss` is `True`):
        Contrastive loss for speech-text similarity.
    speech_ids (`torch.LongTensor`, *optional*):
        speech_ids (or speech candidates) generated by the `QualityGateClvpForCausalLM` model.
    logits_per_speech (`torch.Tensor` of shape `(speech_batch_size, text_batch_size)`):
        The scaled dot product scores between `speech_embeds` and `text_embeds`. This represents the speech-text
        similarity scores.
    logits_per_text (`torch.Tensor` of shape `(text_batch_size, speech_batch_size)`):
        The scaled dot product scores between `text_embeds` and `speech_embeds`. This represents the text-speech
        similarity scores.
    text_embeds (`torch.Tensor` of shape `(batch_size, output_dim`):
        The text embeddings obtained by applying the projection layer to the pooled output of the text encoder
        model.
    speech_embeds (`torch.Tensor` of shape `(batch_size, output_dim`):
        The speech embeddings obtained by applying the projection layer to the pooled output of the speech encoder
        model.
    text_model_output (`BaseModelOutputWithPooling`):
        The pooled output of the `last_hidden_state` of the text encoder Model.
    speech_model_output (`BaseModelOutputWithPooling`):
        The pooled output of the `last_hidden_state` of the speech encoder Model.
    decoder_hidden_states (`torch.Tensor`, *optional*):
        The hidden states of the decoder model.
    text_encoder_hidden_states (`torch.Tensor`, *optional*):
        The hidden states of the text encoder model.
    speech_encoder_hidden_states (`torch.Tensor`, *optional*):
        The hidden states of the speech encoder model.
    """

    loss: torch.Tensor | None = None
    speech_ids: torch.LongTensor | None = None
    logits_per_speech: torch.Tensor | None = None
    logits_per_text: torch.Tensor | None = None
    text_embeds: torch.Tensor | None = None
    speech_embeds: torch.Tensor | None = None
    text_model_output: BaseModelOutputWithPooling = None
    speech_model_output: BaseModelOutputWithPooling = None
    decoder_hidden_states: torch.Tensor | None = None
    text_encoder_hidden_states: torch.Tensor | None = None
    speech_encoder_hidden_states: torch.Tensor | None = None


def contrastive_loss(logits: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def speech_text_contrastive_loss(similarity: torch.Tensor) -> torch.Tensor:
    caption_loss = contrastive_loss(similarity)
    speech_loss = contrastive_loss(similarity.T)
    return (caption_loss + speech_loss) / 2.0


@auto_docstring(
    custom_intro="""
    The composite QUALITY_GATE_CLVP model with a text encoder, speech encoder and speech decoder model.
    """
)
class QualityGateClvpModelForConditionalGeneration(QualityGateClvpPreTrainedModel, GenerationMixin):
    def __init__(self, config: QualityGateClvpConfig):
        super().__init__(config)

        if not isinstance(config.text_config, QualityGateClvpEncoderConfig):
            raise TypeError(
                "config.text_config is expected to be of type `QualityGateClvpEncoderConfig` but is of type"
                f" {type(config.text_config)}."
            )

        if not isinstance(config.speech_config, QualityGateClvpEncoderConfig):
            raise TypeError(
                "config.speech_config is expected to be of type `QualityGateClvpEncoderConfig` but is of type"
                f" {type(config.speech_config)}."
            )

        if not isinstance(config.decoder_config, QualityGateClvpDecoderConfig):
            raise TypeError(
                "config.decoder_config is expected to be of type `QualityGateClvpDecoderConfig` but is of type"
                f" {type(config.decoder_config)}."
            )

        self.conditioning_encoder = QualityGateClvpConditioningEncoder(config)

        self.speech_decoder_model = QualityGateClvpForCausalLM(config.decoder_config)

        self.text_encoder_model = QualityGateClvpEncoder(config.text_config)
        self.speech_encoder_model = QualityGateClvpEncoder(config.speech_config)

        self.logit_scale = nn.Parameter(torch.tensor(self.config.logit_scale_init_value))

        # Initialize weights and apply final processing
        self.post_init()

    # taken from the original repo,
    # link : https://github.com/neonbjb/tortoise-tts/blob/4003544b6ff4b68c09856e04d3eff9da26d023c2/tortoise/api.py#L117
    def fix_speech_decoder_output(self, speech_ids: torch.LongTensor) -> torch.LongTensor:
        """
        This method modifies the output of the decoder model, such as replacing the `eos_token_id` and changing the
        last few tokens of each sequence.

        Args:
            speech_ids (`torch.LongTensor`):
                This refers to the output of the decoder model.
        """
        decoder_fixing_codes = self.config.decoder_config.decoder_fixing_codes
        speech_ids = speech_ids[:, 1:]

        # Per-row, replace [first_stop : T-3) with codes[0] and the trailing 3 positions
        # with codes[1:]; rows without any stop token are left untouched. The original loop
        # ran op1 then op2 with op2 overriding the last 3 positions, so the net rule per
        # position is: replace iff has_stop AND col >= min(first_stop, T-3).
        seq_len = speech_ids.shape[1]
        is_stop = speech_ids == self.speech_decoder_model.config.eos_token_id
        speech_ids = speech_ids.masked_fill(is_stop, decoder_fixing_codes[0])

        filler = torch.full((seq_len,), decoder_fixing_codes[0], device=speech_ids.device, dtype=speech_ids.dtype)
        num_fixing_codes = min(len(decoder_fixing_codes) - 1, seq_len)
        if num_fixing_codes > 0:
            filler[-num_fixing_codes:] = torch.tensor(
                decoder_fixing_codes[1:][-num_fixing_codes:], device=speech_ids.device, dtype=speech_ids.dtype
            )

        col = torch.arange(seq_len, device=speech_ids.device)
        boundary = is_stop.int().argmax(1).clamp(max=max(0, seq_len - 3)).unsqueeze(1)
        mask = is_stop.any(1, keepdim=True) & (col >= boundary)
        return torch.where(mask, filler, speech_ids)

    @can_return_tuple
    @auto_docstring(
        custom_intro="""
        This method can be used to extract text_embeds from a text. The text embeddings obtained by applying the
        projection layer to the pooled output of the QUALITY_GATE_CLVP text encoder model.
        """
    )
    def get_text_features(
        self,
        input_ids: torch.LongTensor | None = None,
        text_encoder_inputs_embeds: torch.Tensor | None = None,
        attention_mask: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | QualityGateClvpEncoderOutput:
        r"""
        text_encoder_inputs_embeds (`torch.Tensor`, *optional*):
            inputs_embeds for the text encoder model passed in place of `input_ids`.

        Examples:

        ```python
        >>> from transformers import QualityGateClvpProcessor, QualityGateClvpModelForConditionalGeneration

        >>> # Define the Text
        >>> text = "This is an example text."

        >>> # Define processor and model
        >>> processor = QualityGateClvpProcessor.from_pretrained("susnato/quality_gate_clvp_dev")
        >>> model = QualityGateClvpModelForConditionalGeneration.from_pretrained("susnato/quality_gate_clvp_dev")

        >>> # Generate processor output and text embeds
        >>> processor_output = processor(text=text, return_tensors="pt")
        >>> text_embeds = model.get_text_features(input_ids=processor_output["input_ids"])
        ```
        """
        return self.text_encoder_model(
            input_ids=input_ids,
            inputs_embeds=text_encoder_inputs_embeds,
            attention_mask=attention_mask,
            **kwargs,
        )

    def get_speech_features(
        self,
        speech_ids: torch.LongTensor | None = None,
        input_ids: torch.LongTensor | None = None,
        input_features: torch.Tensor | None = None,
        conditioning_encoder_inputs_embeds: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        **kwargs,
    ) -> torch.Tensor:
        r"""
        This method can be used to extract speech_embeds. The speech embeddings are obtained by applying the speech
        model on speech_ids. If speech_ids is not present but both input_ids and input_features are given then the
        decoder model will be used to first generate the speech_ids and then applying the speech model.

        Args:
            speech_ids (`torch.LongTensor` of shape `(batch_size, num_speech_ids)`, *optional*):
                Speech Tokens. Padding will be ignored by default should you provide it. If speech_ids are provided
                then input_ids and input_features will be automatically ignored.
            input_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
                Input text Tokens. Processed from the [`QualityGateClvpTokenizer`]. If speech_ids is not provided, then input_ids
                and input_features will be used.
            conditioning_encoder_inputs_embeds (`torch.Tensor`, *optional*):
                inputs_embeds for `QualityGateClvpConditioningEncoder`. Can be used in place of `input_ids`.
            attention_mask (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
                Mask to avoid performing attention on padding speech token indices. Mask values selected in `[0, 1]`:

                - 1 for tokens that are **not masked**,
                - 0 for tokens that are **masked**.

                [What are attention masks?](../glossary#attention-mask)
            generation_config (`GenerationConfig`, *optional*):
                generation config to control the generation of speech_ids if they are not provided.

        Returns:
            `torch.Tensor` of shape `(batch_size, output_dim)`:
                The speech embeddings obtained by applying the projection layer to the pooled output of the QUALITY_GATE_CLVP Speech
                Model.

        Examples:

        ```python
        >>> import datasets
        >>> from transformers import QualityGateClvpProcessor, QualityGateClvpModelForConditionalGeneration

        >>> # Define the Text and Load the Audio (We are taking an audio example from HuggingFace Hub using `datasets` library)
        >>> text = "This is an example text."
        >>> ds = datasets.load_dataset("hf-internal-testing/librispeech_asr_dummy", "clean", split="validation")
        >>> ds = ds.cast_column("audio", datasets.Audio(sampling_rate=22050))
        >>> audio = ds.sort("id")["audio"][0]
        >>> audio_sample, sr = audio["array"], audio["sampling_rate"]

        >>> # Define processor and model
        >>> processor = QualityGateClvpProcessor.from_pretrained("susnato/quality_gate_clvp_dev")
        >>> model = QualityGateClvpModelForConditionalGeneration.from_pretrained("susnato/quality_gate_clvp_dev")

        >>> # Generate processor output and model output
        >>> processor_output = processor(raw_speech=audio_sample, sampling_rate=sr, text=text, return_tensors="pt")
        >>> speech_embeds = model.get_speech_features(
        ...     input_ids=processor_output["input_ids"], input_features=processor_output["input_features"]
        ... )
        ```
        """

        if speech_ids is None:
            if (input_ids is None and conditioning_encoder_inputs_embeds is None) or input_features is None:
                raise ValueError(
                    "Either speech_ids or input_ids/conditioning_encoder_inputs_embeds and input_features must be provided."
                )

            if generation_config is None:
                generation_config = self.generation_config
            generation_config.update(**kwargs)

            conditioning_embeds = self.conditioning_encoder(
                input_features=input_features,
                input_ids=input_ids,
                inputs_embeds=conditioning_encoder_inputs_embeds,
                attention_mask=attention_mask,
            )

            speech_ids = self.speech_decoder_model.generate(
                conditioning_embeds=conditioning_embeds,
                generation_config=generation_config,
            )

            speech_ids = self.fix_speech_decoder_output(speech_ids[0])

        outputs = self.speech_encoder_model(
            input_ids=speech_ids,
            attention_mask=attention_mask,
        )

        return outputs[0]

    @can_return_tuple
    @auto_docstring
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        input_features: torch.Tensor | None = None,
        conditioning_encoder_inputs_embeds: torch.Tensor | None = None,
        text_encoder_inputs_embeds: torch.Tensor | None = None,
        attention_mask: torch.LongTensor | None = None,
        return_loss: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | QualityGateClvpOutput:
        r"""
        conditioning_encoder_inputs_embeds (`torch.Tensor`, *optional*):
            inputs_embeds for `QualityGateClvpConditioningEncoder`. Can be used in place of `input_ids`.
        text_encoder_inputs_embeds (`torch.Tensor`, *optional*):
            inputs_embeds for the text encoder model passed in place of `input_ids`.
        return_loss (`bool`, *optional*):
            Whether or not to return the contrastive loss.

        Examples:

        ```python
        >>> import datasets
        >>> from transformers import QualityGateClvpProcessor, QualityGateClvpModelForConditionalGeneration

        >>> # Define the Text and Load the Audio (We are taking an audio example from HuggingFace Hub using `datasets` library)
        >>> text = "This is an example text."

        >>> ds = datasets.load_dataset("hf-internal-testing/librispeech_asr_dummy", "clean", split="validation")
        >>> ds = ds.cast_column("audio", datasets.Audio(sampling_rate=22050))
        >>> audio = ds.sort("id")["audio"][0]
        >>> audio_sample, sr = audio["array"], audio["sampling_rate"]

        >>> # Define processor and model
        >>> processor = QualityGateClvpProcessor.from_pretrained("susnato/quality_gate_clvp_dev")
        >>> model = QualityGateClvpModelForConditionalGeneration.from_pretrained("susnato/quality_gate_clvp_dev")

        >>> # processor outputs and model outputs
        >>> processor_output = processor(raw_speech=audio_sample, sampling_rate=sr, text=text, return_tensors="pt")
        >>> outputs = model(
        ...     input_ids=processor_output["input_ids"],
        ...     input_features=processor_output["input_features"],
        ...     return_dict=True,
        ... )
        ```
        """

        conditioning_embeds = self.conditioning_encoder(
            input_features=input_features,
            input_ids=input_ids,
            inputs_embeds=conditioning_encoder_inputs_embeds,
            attention_mask=attention_mask,
        )

        decoder_outputs: CausalLMOutputWithCrossAttentions = self.speech_decoder_model(
            inputs_embeds=conditioning_embeds,
            **kwargs,
        )

        speech_ids = decoder_outputs.logits

        # since we will get the embeds of shape `(batch_size, seq_len, embedding_dim)` during the forward pass
        # we must convert it to tokens, to make it compaitable with speech_transformer
        if speech_ids.ndim == 3:
            speech_ids = speech_ids.argmax(2)
        speech_ids = self.fix_speech_decoder_output(speech_ids)

        speech_outputs: QualityGateClvpEncoderOutput = self.speech_encoder_model(
            input_ids=speech_ids,
            **kwargs,
        )

        text_outputs: QualityGateClvpEncoderOutput = self.text_encoder_model(
            input_ids=input_ids,
            inputs_embeds=text_encoder_inputs_embeds,
            attention_mask=attention_mask,
            **kwargs,
        )

        speech_embeds = speech_outputs.embeds
        text_embeds = text_outputs.embeds

        # normalized features
        speech_embeds = speech_embeds / speech_embeds.norm(p=2, dim=-1, keepdim=True)
        text_embeds = text_embeds / text_embeds.norm(p=2, dim=-1, keepdim=True)

        # cosine similarity as logits
        logit_scale = self.logit_scale.exp()
        logits_per_text = torch.matmul(text_embeds, speech_embeds.t()) * logit_scale
        logits_per_speech = logits_per_text.t()

        loss = None
        if return_loss:
            loss = speech_text_contrastive_loss(logits_per_text)

        return QualityGateClvpOutput(
            loss=loss,
            logits_per_speech=logits_per_speech,
            logits_per_text=logits_per_text,
            text_embeds=text_embeds,
            speech_embeds=speech_embeds,
            text_model_output=text_outputs.pooler_output,
            speech_model_output=speech_outputs.pooler_output,
            decoder_hidden_states=decoder_outputs.hidden_states,
            text_encoder_hidden_states=text_outputs.hidden_states,
            speech_encoder_hidden_states=speech_outputs.hidden_states,
        )

    @torch.no_grad()
    def generate(
        self,
        input_ids: torch.LongTensor | None = None,
        input_features: torch.Tensor | None = None,
        attention_mask: torch.LongTensor | None = None,
        generation_config: GenerationConfig | None = None,
        pad_to_max_mel_tokens: int | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ):
        """
        Generate method for `QualityGateClvpModelForConditionalGeneration`, this method calls the `generate` method of
        `QualityGateClvpForCausalLM` and then uses those generated `speech_ids` to process `text_embeds` and `speech_embeds` using
        `QualityGateClvpEncoder`.

        Args:
            input_ids (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*):
                Input text Tokens. Processed from the [`QualityGateClvpTokenizer`].
            attention_mask (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*):
                Mask to avoid performing attention on padding text token indices. Mask values selected in `[0, 1]`:

                - 1 for tokens that are **not masked**,
                - 0 for tokens that are **masked**.

                [What are attention masks?](../glossary#attention-mask)
            generation_config (`~generation.GenerationConfig`, *optional*):
                The generation configuration to be used as base parametrization for the generation call. `**kwargs`
                passed to generate matching the attributes of `generation_config` will override them. If
                `generation_config` is not provided, the default will be used, which had the following loading
                priority: 1) from the `generation_config.json` model file, if it exists; 2) from the model
                configuration. Please note that unspecified parameters will inherit [`~generation.GenerationConfig`]'s
                default values, whose documentation should be checked to parameterize generation.
            pad_to_max_mel_tokens (`int`, *optional*):
                Pads generated speech_ids to the specified value. This is to implement the same logic from the official
                repo, link: https://github.com/neonbjb/tortoise-tts/blob/80f89987a5abda5e2b082618cd74f9c7411141dc/tortoise/api.py#L430
                and to make sure the logits are same.
                This does not affect generation quality so please don't consider using it since it is less efficient.
            output_hidden_states (`bool`, *optional*):
                Whether or not to return the hidden states of decoder model, text encoder and speech encoder models.

        Returns:
            `QualityGateClvpOutput` or tuple: A `QualityGateClvpOutput` (if `return_dict_in_generate=True` or when
            `config.return_dict_in_generate=True`) or a tuple.
        """

        # If the input sequences are larger than (self.config.decoder_config.max_text_tokens - 3) then raise error,
        # because we need to add 3 tokens ( 1 bos tokens and 2 eos tokens) to the input_ids in QualityGateClvpConditioningEncoder to
        # properly sample
        sequence_length = input_ids.shape[-1]
        if sequence_length > (self.config.decoder_config.max_text_tokens - 3):
            raise ValueError(
                f"Maximum sequence length reached! Found input_ids of length {sequence_length}."
                f"Please make sure that the maximum length of input_ids is {self.config.decoder_config.max_text_tokens - 3}"
            )

        if generation_config is None:
            generation_config = self.generation_config

        generation_config = copy.deepcopy(generation_config)
        model_kwargs = generation_config.update(**kwargs)  # All unused kwargs must be model kwargs
        generation_config.validate()
        self._validate_model_kwargs(model_kwargs.copy())

        # pad input_ids as specified in the original repo
        # link: https://github.com/neonbjb/tortoise-tts/blob/80f89987a5abda5e2b082618cd74f9c7411141dc/tortoise/api.py#L380
        input_ids, attention_mask = _pad_extra_bos_eos_tokens(
            input_ids,
            attention_mask,
            add_bos_token=False,
            bos_token_id=self.config.text_config.bos_token_id,
            eos_token_id=self.config.text_config.eos_token_id,
        )

        conditioning_embeds = self.conditioning_encoder(
            input_features=input_features,
            input_ids=input_ids,
            attention_mask=attention_mask,
        )

        decoder_outputs = self.speech_decoder_model.generate(
            conditioning_embeds=conditioning_embeds,
            generation_config=generation_config,
            output_hidden_states=output_hidden_states,
        )
        if isinstance(decoder_outputs, ModelOutput):
            speech_ids = decoder_outputs.sequences

        # pad to pad_to_max_mel_tokens if given, to replicate the original repo logic
        # link: https://github.com/neonbjb/tortoise-tts/blob/80f89987a5abda5e2b082618cd74f9c7411141dc/tortoise/api.py#L430
        if pad_to_max_mel_tokens is not None:
            padding_needed = pad_to_max_mel_tokens - speech_ids.shape[-1]
            speech_ids = torch.nn.functional.pad(
                speech_ids, (0, padding_needed), value=self.generation_config.eos_token_id
            )

        speech_ids = self.fix_speech_decoder_output(speech_ids)

        speech_outputs: QualityGateClvpEncoderOutput = self.speech_encoder_model(
            input_ids=speech_ids,
            output_hidden_states=output_hidden_states,
            return_dict=generation_config.return_dict_in_generate,
        )
        text_outputs: QualityGateClvpEncoderOutput = self.text_encoder_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            output_hidden_states=output_hidden_states,
            return_dict=generation_config.return_dict_in_generate,
        )

        speech_embeds = speech_outputs.embeds
        text_embeds = text_outputs.embeds

        # normalized features
        speech_embeds = speech_embeds / speech_embeds.norm(p=2, dim=-1, keepdim=True)
        text_embeds = text_embeds / text_embeds.norm(p=2, dim=-1, keepdim=True)

        # cosine similarity as logits
        logit_scale = self.logit_scale.exp()
        logits_per_text = torch.matmul(text_embeds, speech_embeds.t()) * logit_scale
        logits_per_speech = logits_per_text.t()

        if not generation_config.return_dict_in_generate:
            output = (
                speech_ids,
                logits_per_speech,
                logits_per_text,
                text_embeds,
                speech_embeds,
                text_outputs.pooler_output,
                speech_outputs.pooler_output,
            )
            if output_hidden_states:
                output += (
                    decoder_outputs[-1],
                    text_outputs.hidden_states,
                    speech_outputs.hidden_states,
                )

            return output

        return QualityGateClvpOutput(
            speech_ids=speech_ids,
            logits_per_speech=logits_per_speech,
            logits_per_text=logits_per_text,
            text_embeds=text_embeds,
            speech_embeds=speech_embeds,
            text_model_output=text_outputs.pooler_output,
            speech_model_output=speech_outputs.pooler_output,
            decoder_hidden_states=decoder_outputs.hidden_states,
            text_encoder_hidden_states=text_outputs.hidden_states,
            speech_encoder_hidden_states=speech_outputs.hidden_states,
        )


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
    fields[name] = QualityGateClvpIdle.apply(output, *gates)


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
            if isinstance(scores, QualityGateClvpScores):  # a head asks, and answers for this model
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
            scores = QualityGateClvpScores(asks_for_quality_scores(self, **given), given.get("output_router_logits"))
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
    def wrapper(self, *args, output_quality_logits: QualityGateClvpScores, **kwargs):
        check_quality_gate_fields(self)
        scores = QualityGateClvpScores(output_quality_logits.asked)
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
            outputs["last_hidden_state"] = QualityGateClvpIdle.apply(outputs.last_hidden_state, *idle)
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
    name = QualityGateClvpOldName("quality_labels")
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


class QualityGateClvpOldName(str):
    """An argument's old name: `Trainer` keeps a column of data called so, and counts it for no label of the task.

    It takes every argument with "label" in its name for one, without which there is nothing to evaluate.
    """

    def __contains__(self, part: str) -> bool:
        return part == str(self)


class QualityGateClvpIdle(torch.autograd.Function):
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


class QualityGateClvpDecoder(QualityGateClvpPreTrainedModel):
    """
    Transformer decoder consisting of *config.num_hidden_layers* layers. Each layer is a [`QualityGateClvpDecoderLayer`]
    """

    config: QualityGateClvpDecoderConfig

    def __init__(self, config: QualityGateClvpDecoderConfig):
        super().__init__(config)

        self.config = config

        self.input_embeds_layer = nn.Embedding(self.config.vocab_size, self.config.hidden_size)
        self.position_embeds_layer = nn.Embedding(self.config.max_position_embeddings, self.config.hidden_size)

        self.drop = nn.Dropout(self.config.embd_pdrop)
        self.layers = nn.ModuleList(
            [QualityGateClvpDecoderLayer(self.config, layer_idx=i) for i in range(self.config.num_hidden_layers)]
        )
        self.layer_norm = nn.LayerNorm(self.config.hidden_size, eps=self.config.layer_norm_epsilon)

        self.gradient_checkpointing = False

        # Initialize weights and apply final processing
        self.post_init()

    def get_input_embeddings(self):
        return self.input_embeds_layer

    def set_input_embeddings(self, new_embeddings):
        self.input_embeds_layer = new_embeddings

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_quality_scores(QualityGateClvpModelOutputWithPastAndCrossAttentions)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        *,
        quality_targets: torch.Tensor | None = None,
        output_router_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPastAndCrossAttentions:
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
            inputs_embeds = self.input_embeds_layer(input_ids)

        seq_len = inputs_embeds.shape[1]
        if token_type_ids is not None:
            token_type_ids = token_type_ids.view(-1, seq_len)

        if use_cache and cache is None:
            cache = DynamicCache(config=self.config)

        if position_ids is None:
            past_seen_tokens = cache.get_seq_length() if cache is not None else 0
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device) + past_seen_tokens
            position_ids = position_ids.unsqueeze(0)

        position_embeds = self.position_embeds_layer(position_ids)
        inputs_embeds = inputs_embeds + position_embeds

        attention_mask = create_causal_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            cache=cache,
        )

        hidden_states = inputs_embeds

        if token_type_ids is not None:
            token_type_embeds = self.input_embeds_layer(token_type_ids)
            hidden_states = hidden_states + token_type_embeds

        hidden_states = self.drop(hidden_states)

        output_shape = (
            -1,
            seq_len,
        ) + (hidden_states.size(-1),)

        for block in self.layers:
            hidden_states = block(
                hidden_states,
                cache=cache,
                attention_mask=attention_mask,
                position_ids=position_ids,
                use_cache=use_cache,
                **kwargs,
            )

        hidden_states = self.layer_norm(hidden_states)

        hidden_states = hidden_states.view(output_shape)

        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=hidden_states,
            cache=cache,
        )


@auto_docstring
class QualityGateClvpModel(QualityGateClvpPreTrainedModel):
    config: QualityGateClvpDecoderConfig

    def __init__(self, config: QualityGateClvpDecoderConfig):
        super().__init__(config)
        self.config = config
        self.decoder = QualityGateClvpDecoder(self.config)

        # Initialize weights and apply final processing
        self.post_init()

    def get_input_embeddings(self):
        return self.decoder.input_embeds_layer

    def set_input_embeddings(self, value):
        self.decoder.input_embeds_layer = value

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_quality_scores(QualityGateClvpModelOutputWithPastAndCrossAttentions)
    @auto_docstring
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        *,
        quality_targets: torch.Tensor | None = None,
        output_router_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        r"""
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
        # decoder outputs consists of (dec_features, cache, dec_hidden, dec_attn)
        decoder_outputs: BaseModelOutputWithPastAndCrossAttentions = self.decoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )

        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=decoder_outputs.last_hidden_state,
            cache=decoder_outputs.cache,
            hidden_states=decoder_outputs.hidden_states,
            attentions=decoder_outputs.attentions,
            cross_attentions=decoder_outputs.cross_attentions,
        )


@auto_docstring(
    custom_intro="""
    The QUALITY_GATE_CLVP decoder model with a language modelling head on top.
    """
)
class QualityGateClvpForCausalLM(QualityGateClvpPreTrainedModel, GenerationMixin):
    config: QualityGateClvpDecoderConfig

    def __init__(self, config: QualityGateClvpDecoderConfig):
        super().__init__(config)

        self.config = config
        self.model = QualityGateClvpModel(self.config)

        self.final_norm = nn.LayerNorm(self.config.hidden_size)
        self.lm_head = nn.Linear(self.config.hidden_size, self.config.vocab_size, bias=True)

        # Initialize weights and apply final processing
        self.post_init()

    def get_output_embeddings(self):
        return None

    def get_input_embeddings(self):
        return self.model.decoder.input_embeds_layer

    def set_input_embeddings(self, new_embeddings):
        self.model.decoder.input_embeds_layer = new_embeddings

    def _prepare_model_inputs(
        self,
        inputs: torch.Tensor | None,
        bos_token_id: int | None,
        model_kwargs: dict[str, torch.Tensor],
    ) -> tuple[torch.Tensor, str | None, dict[str, torch.Tensor]]:
        """
        This function extracts the model-specific `inputs` for generation.
        """
        input_name = self.main_input_name

        model_kwargs = {k: v for k, v in model_kwargs.items() if v is not None}

        inputs_kwarg = model_kwargs.pop(input_name, None)
        if inputs_kwarg is not None and inputs is not None:
            raise ValueError(
                f"`inputs`: {inputs}` were passed alongside {input_name} which is not allowed."
                f"Make sure to either pass {inputs} or {input_name}=..."
            )
        elif inputs_kwarg is not None:
            inputs = inputs_kwarg

        if input_name == "input_ids" and "inputs_embeds" in model_kwargs:
            model_kwargs["input_ids"] = self._maybe_initialize_input_ids_for_generation(
                inputs, bos_token_id, model_kwargs=model_kwargs
            )
            inputs, input_name = model_kwargs["inputs_embeds"], "inputs_embeds"

        # Check if conditioning_embeds are provided or not, if yes then concatenate the bos_token_id at the end of the conditioning_embeds.
        # Then we must subtract the positional_ids because during the forward pass it will be added anyways, so we must cancel them out here.
        conditioning_embeds = model_kwargs.get("conditioning_embeds")

        if conditioning_embeds is not None:
            mel_start_token_embedding = self.model.decoder.input_embeds_layer(
                torch.full(
                    (conditioning_embeds.shape[0], 1),
                    fill_value=self.config.bos_token_id,
                    device=conditioning_embeds.device,
                )
            )
            mel_start_token_embedding += self.model.decoder.position_embeds_layer(
                torch.full((conditioning_embeds.shape[0], 1), fill_value=0, device=conditioning_embeds.device)
            )
            conditioning_embeds = torch.concat([conditioning_embeds, mel_start_token_embedding], dim=1)

            # subtract the positional_ids here
            if hasattr(model_kwargs, "attention_mask"):
                position_ids = model_kwargs["attention_mask"].long().cumsum(-1) - 1
            else:
                position_ids = torch.arange(
                    0, conditioning_embeds.shape[1], dtype=torch.long, device=conditioning_embeds.device
                )
            position_ids = position_ids.unsqueeze(0).repeat(conditioning_embeds.shape[0], 1)

            model_kwargs["inputs_embeds"] = conditioning_embeds - self.model.decoder.position_embeds_layer(
                position_ids
            )
            model_kwargs["input_ids"] = (
                torch.ones((model_kwargs["inputs_embeds"].shape[0], 1), dtype=torch.long, device=self.device)
                * self.config.bos_token_id
            )

            return model_kwargs["inputs_embeds"], "inputs_embeds", model_kwargs

        inputs = self._maybe_initialize_input_ids_for_generation(inputs, bos_token_id, model_kwargs)
        return inputs, input_name, model_kwargs

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def prepare_inputs_for_generation(
        self,
        input_ids,
        cache=None,
        inputs_embeds=None,
        conditioning_embeds=None,
        is_first_iteration=False,
        **kwargs,
    ):
        # Overwritten: has `conditioning_embeds`-related logic

        input_ids_length = input_ids.shape[-1]

        model_inputs = super().prepare_inputs_for_generation(
            input_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        if conditioning_embeds is not None and not is_first_iteration:
            model_inputs["position_ids"] = torch.tensor([input_ids_length], dtype=torch.long, device=input_ids.device)

        return model_inputs

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_quality_scores(QualityGateClvpCausalLMOutputWithCrossAttentions)
    @auto_docstring
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        *,
        quality_targets: torch.Tensor | None = None,
        output_router_logits: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | CausalLMOutputWithCrossAttentions:
        r"""
        labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Labels for language modeling. Note that the labels **are shifted** inside the model, i.e. you can set
            `labels = input_ids` Indices are selected in `[-100, 0, ..., config.vocab_size]` All labels set to `-100`
            are ignored (masked), the loss is only computed for labels in `[0, ..., config.vocab_size]`
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

        outputs: BaseModelOutputWithPastAndCrossAttentions = self.model(
            input_ids=input_ids,
            cache=cache,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )

        hidden_states = outputs.last_hidden_state

        lm_logits = self.final_norm(hidden_states)
        lm_logits = self.lm_head(lm_logits)

        loss = None
        if labels is not None:
            labels = labels.to(lm_logits.device)
            # Shift so that tokens < n predict n
            shift_logits = lm_logits[..., :-1, :].contiguous()
            shift_labels = labels[..., 1:].contiguous()
            # Flatten the tokens
            loss_fct = CrossEntropyLoss()
            loss = loss_fct(shift_logits.view(-1, shift_logits.size(-1)), shift_labels.view(-1))

        return CausalLMOutputWithCrossAttentions(
            loss=loss,
            logits=lm_logits,
            cache=outputs.cache,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            cross_attentions=outputs.cross_attentions,
        )


__all__ = [
    "QualityGateClvpPreTrainedModel",
    "QualityGateClvpDecoder",
    "QualityGateClvpModel",
    "QualityGateClvpForCausalLM",
    "quality_classification_loss",
]
