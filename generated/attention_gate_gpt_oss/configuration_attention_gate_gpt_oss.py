# Generated from modular/modular_attention_gate_gpt_oss.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model attention_gate_gpt_oss`.
# Seal: sha256 084c8f6068c7ba7d43a8ad641dce87f524d286b3c09b99d8bec0ff683bc4be92
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
from typing import Any

from huggingface_hub.dataclasses import strict

from transformers.configuration_utils import PreTrainedConfig
from transformers.utils import auto_docstring


def take_published_mode(config: PreTrainedConfig, fields: dict[str, Any]) -> None:
    """Let the fields by which published checkpoints tell their gates set the mode; they are taken out of `fields`."""
    told = [
        mode for mode in ATTENTION_GATE_CHOICES["attention_gate_mode"] if fields.pop(f"{mode}_attn_output_gate", 0)
    ]
    if len(told) > 1:
        raise ValueError(
            "`headwise_attn_output_gate` and `elementwise_attn_output_gate` are both true: set only one of them."
        )
    if told:
        config.attention_gate_mode = told[0]


def check_kind_of_checkpoint(config: PreTrainedConfig, model_type: str | None) -> None:
    """Raise a ValueError for the configuration of a checkpoint with gates of another kind, or on another base."""
    if model_type and "_gate_" in model_type and model_type != config.model_type:
        raise ValueError(
            f"This is a checkpoint of `{model_type}`, whose gates are not those of `{config.model_type}`."
        )


def check_attention_gate_config(config: PreTrainedConfig) -> None:
    """Raise a ValueError that names the first gate field out of range, its value and what is allowed."""
    for name, choices in ATTENTION_GATE_CHOICES.items():
        value = getattr(config, name)
        if value not in choices:
            raise ValueError(f"`{name}` is {value!r}, but must be one of {', '.join(choices)}.")


ATTENTION_GATE_CHOICES = {
    "attention_gate_mode": ("headwise", "elementwise"),
    "attention_gate_init": ("paper", "identity"),
}


@auto_docstring(checkpoint="openai/gpt-oss-20b")
@strict
class AttentionGateGptOssConfig(PreTrainedConfig):
    r"""
    swiglu_alpha (`float`, *optional*, defaults to 1.702):
        Sigmoid gain of the clamped SwiGLU the experts apply.
    swiglu_limit (`float`, *optional*, defaults to 7.0):
        Clamp applied to the gate (above) and the up projection (both sides) before that SwiGLU.
    attention_gate_mode (`str`, *optional*, defaults to `"headwise"`):
        `"headwise"` gates have one number for each head, `"elementwise"` ones have one for each of its channels.
    attention_gate_init (`str`, *optional*, defaults to `"paper"`):
        `"paper"` draws new gate weights as the base draws those of its projections, for training from scratch: gates
        are the sigmoid, about a half. `"identity"` starts them at zero and doubles the sigmoid, so that gates are
        exactly 1 and the model computes what its base does. It also says how the weights of a checkpoint are meant.
    output_attention_gates (`bool`, *optional*, defaults to `False`):
        Whether to return the gates of every layer.

    ```python
    >>> from generated.attention_gate_gpt_oss import AttentionGateGptOssConfig, AttentionGateGptOssForCausalLM

    >>> model = AttentionGateGptOssForCausalLM(AttentionGateGptOssConfig(attention_gate_mode="elementwise"))
    ```"""

    model_type = "attention_gate_gpt_oss"
    base_model_tp_plan = {"embed_tokens": "embedding_rowwise"}
    attribute_map = {
        "num_experts": "num_local_experts",
    }
    default_theta = 150000.0
    base_model_pp_plan = {
        "embed_tokens": (["input_ids"], ["inputs_embeds"]),
        "layers": (["hidden_states", "attention_mask"], ["hidden_states"]),
        "norm": (["hidden_states"], ["hidden_states"]),
    }
    base_model_ep_plan = {
        "layers.*.mlp.experts.gate_up_proj": "grouped_gemm",
        "layers.*.mlp.experts.gate_up_proj_bias": "grouped_gemm",
        "layers.*.mlp.experts.down_proj": "grouped_gemm",
        "layers.*.mlp.experts.down_proj_bias": "grouped_gemm",
        "layers.*.mlp.experts": "ep_dispatch_experts",
    }

    num_hidden_layers: int = 36
    num_local_experts: int = 128
    vocab_size: int = 201088
    hidden_size: int = 2880
    intermediate_size: int = 2880
    head_dim: int = 64
    num_attention_heads: int = 64
    num_key_value_heads: int = 8
    sliding_window: int | None = 128
    tie_word_embeddings: bool = False
    hidden_act: str = "silu"
    initializer_range: float = 0.02
    max_position_embeddings: int = 131072
    rms_norm_eps: float = 1e-5
    rope_parameters: dict | None = None
    attention_dropout: float | int = 0.0
    num_experts_per_tok: int = 4
    swiglu_alpha: float = 1.702
    swiglu_limit: float = 7.0
    router_aux_loss_coef: float = 0.001
    output_router_logits: bool = False
    use_cache: bool = True
    layer_types: list[str] | None = None
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    attention_bias: bool = True
    keys_to_ignore_at_inference = [
        "cache",
        "attention_gates",
    ]

    attention_gate_mode: str = "headwise"
    attention_gate_init: str = "paper"
    output_attention_gates: bool = False

    def __post_init__(self, **kwargs):
        check_kind_of_checkpoint(self, kwargs.pop("model_type", None))  # that of a base checkpoint brings its own
        take_published_mode(self, kwargs)
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads

        self.head_dim = self.head_dim if self.head_dim is not None else self.hidden_size // self.num_attention_heads
        if self.layer_types is None:
            self.layer_types = [
                "sliding_attention" if bool((i + 1) % 2) else "full_attention" for i in range(self.num_hidden_layers)
            ]

        if self.rope_parameters is None:
            self.rope_parameters = {
                "rope_type": "yarn",
                "factor": 32.0,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "truncate": False,
                "original_max_position_embeddings": 4096,
            }
        super().__post_init__(**kwargs)
        check_attention_gate_config(self)


__all__ = ["AttentionGateGptOssConfig"]
