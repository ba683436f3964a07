# Generated from modular/modular_attention_gate_llama.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model attention_gate_llama`.
# Seal: sha256 c5f7531242cc02504f286d55974fbc5c0bdd3de756720d752d78032edf878b70
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
from transformers.utils.type_validators import interval


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


def check_kind_of_checkpoint(config: PreTrainedConfig, model_type: str | None) -> None:
    """Raise a ValueError for the configuration of a checkpoint with gates of another kind, or on another base."""
    if model_type and "_gate_" in model_type and model_type != config.model_type:
        raise ValueError(
            f"This is a checkpoint of `{model_type}`, whose gates are not those of `{config.model_type}`."
        )


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


@auto_docstring(checkpoint="meta-llama/Llama-2-7b-hf")
@strict
class AttentionGateLlamaConfig(PreTrainedConfig):
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
    >>> from generated.attention_gate_llama import AttentionGateLlamaConfig, AttentionGateLlamaForCausalLM

    >>> model = AttentionGateLlamaForCausalLM(AttentionGateLlamaConfig(attention_gate_mode="elementwise"))
    ```"""

    model_type = "attention_gate_llama"
    # Default tensor parallel plan for base model `AttentionGateLlamaModel`
    base_model_tp_plan = {
        "layers.*.self_attn.q_proj": "colwise",
        "layers.*.self_attn.k_proj": "colwise",
        "layers.*.self_attn.v_proj": "colwise",
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

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None
    hidden_act: str = "silu"
    max_position_embeddings: int = 2048
    initializer_range: float = interval(min=0.0, max=1.0)(default=0.02)
    rms_norm_eps: float = 1e-6
    use_cache: bool = True
    pad_token_id: int | None = None
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    pretraining_tp: int | None = 1
    tie_word_embeddings: bool = False
    rope_parameters: RopeParameters | dict | None = None
    attention_bias: bool = False
    attention_dropout: int | float | None = 0.0
    mlp_bias: bool = False
    head_dim: int | None = None
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
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads

        super().__post_init__(**kwargs)
        check_attention_gate_config(self)

    def validate_architecture(self):
        """Part of `@strict`-powered validation. Validates the architecture of the config."""
        if self.hidden_size % self.num_attention_heads != 0:
            raise ValueError(
                f"The hidden size ({self.hidden_size}) is not a multiple of the number of attention "
                f"heads ({self.num_attention_heads})."
            )


__all__ = ["AttentionGateLlamaConfig"]
