# SPDX-License-Identifier: Apache-2.0
"""What a gated configuration has besides its base: fields, what they may be, and what is checked."""

from typing import Any

from transformers.configuration_utils import PreTrainedConfig


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


class AttentionGateConfig(PreTrainedConfig):
    r"""
    attention_gate_mode (`str`, *optional*, defaults to `"headwise"`):
        `"headwise"` gates have one number for each head, `"elementwise"` ones have one for each of its channels.
    attention_gate_init (`str`, *optional*, defaults to `"paper"`):
        `"paper"` draws new gate weights as the base draws those of its projections, for training from scratch: gates
        are the sigmoid, about a half. `"identity"` starts them at zero and doubles the sigmoid, so that gates are
        exactly 1 and the model computes what its base does. It also says how the weights of a checkpoint are meant.
    output_attention_gates (`bool`, *optional*, defaults to `False`):
        Whether to return the gates of every layer.
    """

    attention_gate_mode: str = "headwise"
    attention_gate_init: str = "paper"
    output_attention_gates: bool = False

    def __post_init__(self, **kwargs):
        check_kind_of_checkpoint(self, kwargs.pop("model_type", None))  # that of a base checkpoint brings its own
        take_published_mode(self, kwargs)
        super().__post_init__(**kwargs)
        check_attention_gate_config(self)
