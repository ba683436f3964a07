# Generated from modular/modular_attention_gate_llama.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model attention_gate_llama`.
# Seal: sha256 40f255e2715ea56c039024c80eae8365e2eb9264da5d119b8ae961ccd6bc6148
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

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature, unwrap

import torch
from torch import nn

from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache
from transformers.configuration_utils import PreTrainedConfig
from transformers.generation import GenerationMixin
from transformers.integrations import use_kernel_forward_from_hub, use_kernelized_func
from transformers.masking_utils import create_causal_mask
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
from transformers.pytorch_utils import Conv1D
from transformers.utils import ModelOutput, TransformersKwargs, auto_docstring, can_return_tuple
from transformers.utils.deprecation import deprecate_kwarg
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .configuration_attention_gate_llama import AttentionGateLlamaConfig


@dataclass
class AttentionGateLlamaOutput(ModelOutput):
    """
    What the gates add to an output.

    attention_gates (`tuple(torch.FloatTensor)`, *optional*, returned when `output_attention_gates=True`):
        One tensor for every layer with a gate, of shape `(batch_size, sequence_length, heads, channels)`: what the output
        of each head was multiplied by. Headwise gates have one channel, elementwise ones as many as a head.
    """

    attention_gates: tuple[torch.FloatTensor, ...] | None = None


@dataclass
class AttentionGateLlamaModelOutputWithPast(AttentionGateLlamaOutput, BaseModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class AttentionGateLlamaCausalLMOutputWithPast(AttentionGateLlamaOutput, CausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


@dataclass
class AttentionGateLlamaSequenceClassifierOutputWithPast(AttentionGateLlamaOutput, SequenceClassifierOutputWithPast):
    """The output of a sequence classifier with what its gates say."""


@dataclass
class AttentionGateLlamaQuestionAnsweringModelOutput(AttentionGateLlamaOutput, QuestionAnsweringModelOutput):
    """The output of a question answering model with what its gates say."""


@dataclass
class AttentionGateLlamaTokenClassifierOutput(AttentionGateLlamaOutput, TokenClassifierOutput):
    """The output of a token classifier with what its gates say."""


class AttentionGateLlamaAnswer:
    """Whether one call wants the gates, and what they were: what goes between a head and its base model."""

    def __init__(self, asked: bool):
        self.asked = asked
        self.gates: tuple[torch.Tensor, ...] | None = None


class AttentionGateLlamaGate(nn.Module):
    """Scales the output of each head by a sigmoid of one linear map of the layer's input.

    Source: Gated Attention (arXiv 2505.06708), its gate behind the attention function, here as a projection of its own.
    """

    def __init__(self, config: AttentionGateLlamaConfig, projection: nn.Module, heads: int, width: int):
        """`projection` is given the output of all `heads` side by side; `width` is that of the layer's input."""
        super().__init__()
        weight = next(projection.parameters())
        inputs = weight.shape[0] if isinstance(projection, Conv1D) else weight.shape[-1]
        if inputs % heads:
            raise ValueError(
                f"The output of attention has {inputs} channels, which {heads} heads do not share evenly."
            )
        self.channels = inputs // heads if config.attention_gate_mode == "elementwise" else 1
        self.doubles = config.attention_gate_init == "identity"
        self.gate = nn.Linear(width, heads * self.channels, bias=False)
        self.gate.starts_at_zero = self.doubles  # tells `_init_weights`, which sees modules with weights alone

    def forward(self, output: torch.Tensor, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What attention read, and the layer's input `[batch, tokens, width]`, to the scaled output and the gates.

        `output` has the heads side by side, in any shape that has all of a token's; gates are
        `[batch, tokens, heads, channels]`.
        """
        gates = self.gate(hidden_states).sigmoid().to(output.dtype)
        if self.doubles:
            gates = 2 * gates
        gates = gates.unflatten(-1, (-1, self.channels))
        heads = output.reshape(*gates.shape[:-1], -1)
        return (gates * heads).reshape(output.shape), gates


@use_kernel_forward_from_hub("RMSNorm")
class AttentionGateLlamaRMSNorm(nn.Module):
    def __init__(self, hidden_size, eps: float = 1e-6) -> None:
        """
        AttentionGateLlamaRMSNorm is equivalent to T5LayerNorm
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


class AttentionGateLlamaMLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.hidden_size = config.hidden_size
        self.intermediate_size = config.intermediate_size
        self.gate_proj = nn.Linear(self.hidden_size, self.intermediate_size, bias=config.mlp_bias)
        self.up_proj = nn.Linear(self.hidden_size, self.intermediate_size, bias=config.mlp_bias)
        self.down_proj = nn.Linear(self.intermediate_size, self.hidden_size, bias=config.mlp_bias)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, x):
        down_proj = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))
        return down_proj


class AttentionGateLlamaDecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: AttentionGateLlamaConfig, layer_idx: int):
        super().__init__()
        self.hidden_size = config.hidden_size

        self.self_attn = AttentionGateLlamaAttention(config=config, layer_idx=layer_idx)

        self.mlp = AttentionGateLlamaMLP(config)
        self.input_layernorm = AttentionGateLlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = AttentionGateLlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        use_cache: bool | None = False,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
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
        return hidden_states


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
class AttentionGateLlamaAttention(nn.Module):
    """Multi-headed attention from 'Attention Is All You Need' paper"""

    def __init__(self, config: AttentionGateLlamaConfig, layer_idx: int):
        super().__init__()
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
        self.attention_gate = AttentionGateLlamaGate(
            config, self.o_proj, config.num_attention_heads, config.hidden_size
        )

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        attention_mask: torch.Tensor | None = None,
        cache: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor]:
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
            **kwargs,
        )

        attn_output = attn_output.reshape(*input_shape, -1).contiguous()
        attn_output, _ = self.attention_gate(attn_output, hidden_states)
        attn_output = self.o_proj(attn_output)
        return attn_output, attn_weights


ATTENTION_GATE_CHOICES = {
    "attention_gate_mode": ("headwise", "elementwise"),
    "attention_gate_init": ("paper", "identity"),
}


def check_attention_gate_config(config: PreTrainedConfig) -> None:
    """Raise a ValueError that names the first gate field out of range, its value and what is allowed."""
    for name, choices in ATTENTION_GATE_CHOICES.items():
        value = getattr(config, name)
        if value not in choices:
            raise ValueError(f"`{name}` is {value!r}, but must be one of {', '.join(choices)}.")


def loss_function_of_base(model: PreTrainedModel, find: Callable = PreTrainedModel.loss_function.fget) -> Callable:
    """The loss function of a model, called as its base calls it: a forward hands on what the gates are asked as well.

    `find` is a default since `torch.compile` does not look into properties.
    """
    own = find(model)

    def loss_function(*args, hand_on_gates=None, **kwargs):
        return own(*args, **kwargs)

    return loss_function


def split_query_gates(weights: Mapping[str, torch.Tensor], config: PreTrainedConfig) -> dict[str, torch.Tensor]:
    """The weights of a published `*_headwise` or `*_elementwise` checkpoint, with gates of their own.

    Source: the implementation beside Gated Attention (arXiv 2505.06708). For each group of heads that share a key, its
    query projection holds `head_dim * groups` rows of queries, and behind them the rows of the gates: `groups` headwise,
    `head_dim * groups` elementwise.

    Args:
        weights: the tensors of a checkpoint by their names; those without a query projection are taken over as they are.
        config: the gated configuration, whose `attention_gate_mode` says which checkpoint it is.

    Returns:
        The same with `...q_proj.weight` of the base's shape, and `...attention_gate.gate.weight` beside each.

    Raises:
        ValueError: a query projection that has not the rows of such a checkpoint, or a bias.
    """
    text = config.get_text_config()
    heads, key_heads = text.num_attention_heads, text.num_key_value_heads
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // heads
    groups = heads // key_heads
    gate_rows = groups if text.attention_gate_mode == "headwise" else groups * head_dim
    wanted = key_heads * (groups * head_dim + gate_rows)
    found: dict[str, torch.Tensor] = {}
    for name, weight in weights.items():
        match = re.fullmatch(r"(.*\.)q_proj\.(weight|bias)", name)
        if match is None:
            found[name] = weight
            continue
        if match[2] == "bias" or weight.shape[0] != wanted:
            raise ValueError(
                f"`{name}` has the shape {tuple(weight.shape)}, but the query projection of a published checkpoint with "
                f"{text.attention_gate_mode} gates has {wanted} rows here, and no bias."
            )
        rows = weight.unflatten(0, (key_heads, -1))
        queries, gates = rows.split([groups * head_dim, gate_rows], dim=1)
        found[name] = queries.flatten(0, 1).contiguous()
        found[f"{match[1]}attention_gate.gate.weight"] = gates.flatten(0, 1).contiguous()
    return found


@auto_docstring
class AttentionGateLlamaPreTrainedModel(PreTrainedModel):
    config: AttentionGateLlamaConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["AttentionGateLlamaDecoderLayer"]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True

    _can_compile_fullgraph = True
    _supports_attention_backend = True
    _can_record_outputs = {
        "hidden_states": AttentionGateLlamaDecoderLayer,
        "attentions": AttentionGateLlamaAttention,
        "attention_gates": OutputRecorder(AttentionGateLlamaGate, index=1),
    }
    split_query_gates = staticmethod(split_query_gates)
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)

    def __init__(self, config: AttentionGateLlamaConfig, *inputs, **kwargs):
        check_attention_gate_config(config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), AttentionGateLlamaModel, exist_ok=True)
        super().__init__(config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "starts_at_zero", False):
            init.zeros_(module.weight)


class AttentionGateLlamaRotaryEmbedding(nn.Module):
    def __init__(self, config: AttentionGateLlamaConfig):
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
    def compute_default_rope_parameters(config: AttentionGateLlamaConfig, **kwargs) -> tuple[torch.Tensor, float]:
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


def returns_attention_gates(output_class: type[ModelOutput]) -> Callable[[Callable], Callable]:
    """Decorate the `forward` of a model or head: it returns the gates, where they are asked for, in an `output_class`.

    It names a keyword argument, so that it goes nowhere else, and does nothing with it itself:

        output_attention_gates: whether to return the gates. Where it is not given, the configuration's says so.
    """

    def decorate(forward: Callable) -> Callable:
        own = signature(forward).parameters
        names = [name for name, each in own.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]

        @wraps(forward)
        def wrapper(self, *args, **kwargs):
            if "hand_on_gates" in kwargs:  # a head asks, and answers for this model
                return forward(self, *args, **kwargs)
            named = dict(zip(names[1:], args))
            if len(named) < len(args) or named.keys() & kwargs:
                return unwrap(forward)(self, *args, **kwargs)  # Python says what is wrong
            kwargs.update(named)
            asked = kwargs.pop("output_attention_gates", None)
            if asked is None:
                asked = self.config.get_text_config().output_attention_gates
            # Heads drop what they do not know of the base model's output, so the gates go around them
            answer = AttentionGateLlamaAnswer(asked)
            fields = dict(forward(self, **kwargs, hand_on_gates=answer))
            if answer.gates is not None:
                fields["attention_gates"] = answer.gates
            return output_class(**fields)

        return can_return_tuple(wrapper)

    return decorate


def records_attention_gates(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, between `returns_attention_gates` and `capture_outputs`."""

    @wraps(forward)
    def wrapper(self, *args, hand_on_gates: AttentionGateLlamaAnswer, **kwargs):
        kwargs |= {"return_dict": True, "output_attention_gates": hand_on_gates.asked}
        outputs = forward(self, *args, **kwargs)
        hand_on_gates.gates = outputs.get("attention_gates")
        return outputs

    return wrapper


@auto_docstring
class AttentionGateLlamaModel(AttentionGateLlamaPreTrainedModel):
    _tp_plan = {"layers.*.self_attn.attention_gate.gate": "colwise"}

    def __init__(self, config: AttentionGateLlamaConfig):
        super().__init__(config)
        self.padding_idx = config.pad_token_id
        self.vocab_size = config.vocab_size

        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, self.padding_idx)
        self.layers = nn.ModuleList(
            [AttentionGateLlamaDecoderLayer(config, layer_idx) for layer_idx in range(config.num_hidden_layers)]
        )
        self.norm = AttentionGateLlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = AttentionGateLlamaRotaryEmbedding(config=config)
        self.gradient_checkpointing = False

        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_attention_gates(AttentionGateLlamaModelOutputWithPast)
    @records_attention_gates
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
        output_attention_gates: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPast:
        r"""
        output_attention_gates (`bool`, *optional*):
            Whether to return the gates of every layer. If it is not given, `config.output_attention_gates` decides.
        """
        if (input_ids is None) ^ (inputs_embeds is not None):
            raise ValueError("You must specify exactly one of input_ids or inputs_embeds")

        if inputs_embeds is None:
            inputs_embeds: torch.Tensor = self.embed_tokens(input_ids)

        if use_cache and cache is None:
            cache = DynamicCache(config=self.config)

        if position_ids is None:
            past_seen_tokens = cache.get_seq_length() if cache is not None else 0
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device) + past_seen_tokens
            position_ids = position_ids.unsqueeze(0)

        causal_mask = create_causal_mask(
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
                position_embeddings=position_embeddings,
                position_ids=position_ids,
                cache=cache,
                use_cache=use_cache,
                **kwargs,
            )

        hidden_states = self.norm(hidden_states)
        return BaseModelOutputWithPast(
            last_hidden_state=hidden_states,
            cache=cache,
        )


@auto_docstring
class AttentionGateLlamaForCausalLM(AttentionGateLlamaPreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}
    _pp_plan = {"lm_head": (["hidden_states"], ["logits"])}
    _fsdp_plan = {"lm_head": "keep_full_weight"}

    def __init__(self, config: AttentionGateLlamaConfig):
        super().__init__(config)
        self.model = AttentionGateLlamaModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

        # Initialize weights and apply final processing
        self.post_init()

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_attention_gates(AttentionGateLlamaCausalLMOutputWithPast)
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
        output_attention_gates: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> CausalLMOutputWithPast:
        r"""
        output_attention_gates (`bool`, *optional*):
            Whether to return the gates of every layer. If it is not given, `config.output_attention_gates` decides.

        Example:

        ```python
        >>> outputs = model(**inputs, output_attention_gates=True)
        >>> gates = torch.stack(outputs.attention_gates)  # [layers, batch, tokens, heads, 1 or head_dim]
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


class AttentionGateLlamaForSequenceClassification(GenericForSequenceClassification, AttentionGateLlamaPreTrainedModel):
    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_attention_gates(AttentionGateLlamaSequenceClassifierOutputWithPast)
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
        output_attention_gates: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SequenceClassifierOutputWithPast:
        r"""
        output_attention_gates (`bool`, *optional*):
            Whether to return the gates of every layer. If it is not given, `config.output_attention_gates` decides.

        Example:

        ```python
        >>> outputs = model(**inputs, output_attention_gates=True)
        >>> gates = torch.stack(outputs.attention_gates)  # [layers, batch, tokens, heads, 1 or head_dim]
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


class AttentionGateLlamaForQuestionAnswering(GenericForQuestionAnswering, AttentionGateLlamaPreTrainedModel):
    base_model_prefix = "model"  # with the base's own no weight of a causal language model would be found

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_attention_gates(AttentionGateLlamaQuestionAnsweringModelOutput)
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
        output_attention_gates: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> QuestionAnsweringModelOutput:
        r"""
        output_attention_gates (`bool`, *optional*):
            Whether to return the gates of every layer. If it is not given, `config.output_attention_gates` decides.

        Example:

        ```python
        >>> outputs = model(**inputs, output_attention_gates=True)
        >>> gates = torch.stack(outputs.attention_gates)  # [layers, batch, tokens, heads, 1 or head_dim]
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


class AttentionGateLlamaForTokenClassification(GenericForTokenClassification, AttentionGateLlamaPreTrainedModel):
    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @returns_attention_gates(AttentionGateLlamaTokenClassifierOutput)
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
        output_attention_gates: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> TokenClassifierOutput:
        r"""
        output_attention_gates (`bool`, *optional*):
            Whether to return the gates of every layer. If it is not given, `config.output_attention_gates` decides.

        Example:

        ```python
        >>> outputs = model(**inputs, output_attention_gates=True)
        >>> gates = torch.stack(outputs.attention_gates)  # [layers, batch, tokens, heads, 1 or head_dim]
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


__all__ = [
    "AttentionGateLlamaPreTrainedModel",
    "AttentionGateLlamaModel",
    "AttentionGateLlamaForCausalLM",
    "AttentionGateLlamaForSequenceClassification",
    "AttentionGateLlamaForQuestionAnswering",
    "AttentionGateLlamaForTokenClassification",
    "split_query_gates",
]
