# Generated from modular/modular_attention_gate_qwen3.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model attention_gate_qwen3`.
# Seal: sha256 b67521db541232783d2028a9a80a7e2af86f2941b943744b2dba84828e1f76c7
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
from transformers.modeling_rope_utils import RopeParameters
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


@auto_docstring(checkpoint="Qwen/Qwen3-8B")
@strict
class AttentionGateQwen3Config(PreTrainedConfig):
    r"""
    attention_gate_mode (`str`, *optional*, defaults to `"headwise"`):
        `"headwise"` gates have one number for each head, `"elementwise"` ones have one for each of its channels.
    attention_gate_init (`str`, *optional*, defaults to `"paper"`):
        `"paper"` draws new gate weights as the base draws those of its projections, for training from scratch: gates
        are the sigmoid, about a half. `"identity"` starts them at zero and doubles the sigmoid, so that gates are
        exactly 1 and the model computes what its base does. It also says how the weights of a checkpoint are meant.
    output_attention_gates (`bool`, *optional*, defaults to `False`):
        Whether to return the gates of every layer.

    ```python
    >>> from generated.attention_gate_qwen3 import AttentionGateQwen3Config, AttentionGateQwen3ForCausalLM

    >>> model = AttentionGateQwen3ForCausalLM(AttentionGateQwen3Config(attention_gate_mode="elementwise"))
    ```"""

    model_type = "attention_gate_qwen3"

    # Default tensor parallel plan for base model `AttentionGateQwen3`
    base_model_tp_plan = {
        "layers.*.self_attn.q_proj": "colwise",
        "layers.*.self_attn.k_proj": "colwise",
        "layers.*.self_attn.v_proj": "colwise",
        "layers.*.self_attn.q_norm": "replicated_with_grad_allreduce",
        "layers.*.self_attn.k_norm": "replicated_with_grad_allreduce",
        "layers.*.self_attn.o_proj": "rowwise",
        "layers.*.mlp.gate_proj": "colwise",
        "layers.*.mlp.up_proj": "colwise",
        "layers.*.mlp.down_proj": "rowwise",
    }
    base_model_pp_plan = {
        "embed_tokens": (["input_ids"], ["inputs_embeds"]),
        "layers": (["hidden_states", "attention_mask"], ["hidden_states"]),
        "norm": (["hidden_states"], ["hidden_states"]),
    }

    vocab_size: int = 151936
    hidden_size: int = 4096
    intermediate_size: int = 22016
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = 32
    head_dim: int = 128
    hidden_act: str = "silu"
    max_position_embeddings: int = 32768
    initializer_range: float = 0.02
    rms_norm_eps: float = 1e-6
    use_cache: bool = True
    tie_word_embeddings: bool = False
    rope_parameters: RopeParameters | dict | None = None
    attention_bias: bool = False
    use_sliding_window: bool = False
    sliding_window: int | None = 4096
    max_window_layers: int = 28
    layer_types: list[str] | None = None
    attention_dropout: float | int = 0.0
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
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
        self.sliding_window = self.sliding_window if self.use_sliding_window else None
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads

        if self.layer_types is None:
            self.layer_types = [
                "sliding_attention"
                if self.sliding_window is not None and i >= self.max_window_layers
                else "full_attention"
                for i in range(self.num_hidden_layers)
            ]
        super().__post_init__(**kwargs)
        check_attention_gate_config(self)


__all__ = ["AttentionGateQwen3Config"]
