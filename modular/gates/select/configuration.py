# SPDX-License-Identifier: Apache-2.0
"""What a gated configuration has besides its base: fields, what they may be, and what is checked."""

import math

from transformers.configuration_utils import PreTrainedConfig


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

# What bases call the number of experts that a token is routed to
EXPERTS_OF_A_TOKEN = ("num_experts_per_tok", "moe_topk", "moe_top_k", "moe_k", "top_k_experts")


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


def check_kind_of_checkpoint(config: PreTrainedConfig, model_type: str | None) -> None:
    """Raise a ValueError for the configuration of a checkpoint with gates of another kind, or on another base."""
    if model_type and "_gate_" in model_type and model_type != config.model_type:
        raise ValueError(
            f"This is a checkpoint of `{model_type}`, whose gates are not those of `{config.model_type}`."
        )


class SelectGateConfig(PreTrainedConfig):
    r"""
    select_gate_init (`str`, *optional*, defaults to `"normal"`):
        `"normal"` draws new gate weights from a normal distribution: good ratios are the sigmoid of a score, about a
        half. `"open"` starts them at zero and doubles the sigmoid, up to 1, so that good ratios are exactly 1 and the
        model computes what its base does. It also says how the weights of a checkpoint are meant.
    quality_gate_init_mean (`float`, *optional*, defaults to 0.0):
        Mean of the normal distribution that new gate weights are drawn from.
    quality_gate_init_std (`float`, *optional*, defaults to 0.02):
        Standard deviation of that distribution.
    trash_expert_mode (`str`, *optional*, defaults to `"zero"`):
        What tokens get as far as they are not good: `"zero"`, nothing; `"noise"`, normal noise with the mean and the
        standard deviation of the mixture's input, which carries no gradient; `"custom"`, what the module gives that the
        model class makes by its `trash_expert`.
    enable_load_balancing (`bool`, *optional*, defaults to `False`):
        Whether the loss has a load balancing loss: the base's own, or, where it has none, one of the same formula.
    router_aux_loss_coef (`float`, *optional*, defaults to 0.01):
        Weight in the loss of the load balancing loss and of the weighted quality loss, together `aux_loss`.
    quality_loss_weight (`float`, *optional*, defaults to 0.5):
        Weight of the quality loss in `aux_loss`.
    quality_loss_type (`str`, *optional*, defaults to `"sigmoid"`):
        `"sigmoid"` (also called `"linear"`), `"mse"`, `"beta_moment_matching"`, `"mean_variance_regularization"`, or
        `"custom"`, what the `quality_loss_function` of the model class says.
    sample_wise_averaging (`bool`, *optional*, defaults to `False`):
        Whether the loss averages over samples, each the mean of its tokens, or over all tokens.
    beta_target_mean (`float`, *optional*, defaults to 0.5):
        Mean that `"beta_moment_matching"` pulls the good ratios to.
    beta_target_var (`float`, *optional*, defaults to 0.05):
        Variance that `"beta_moment_matching"` pulls the good ratios to.
    w_mean (`float`, *optional*, defaults to 1.0):
        Weight of the mean in `"beta_moment_matching"`.
    w_var (`float`, *optional*, defaults to 1.0):
        Weight of the variance in `"beta_moment_matching"`.
    lambda_var (`float`, *optional*, defaults to 0.1):
        Reward for variance in `"mean_variance_regularization"`.
    quality_loss_debug (`bool`, *optional*, defaults to `False`):
        Whether to print the scores and the loss of every fifth layer.
    output_router_logits (`bool`, *optional*, defaults to `True`):
        Whether to return the scores of the gates, with the logits of the routers; in training they always are, unless
        a call says otherwise.
    """

    select_gate_init: str = "normal"
    quality_gate_init_mean: float | int = 0.0
    quality_gate_init_std: float | int = 0.02
    trash_expert_mode: str = "zero"
    enable_load_balancing: bool = False
    router_aux_loss_coef: float | int = 0.01
    quality_loss_weight: float | int = 0.5
    quality_loss_type: str = "sigmoid"
    sample_wise_averaging: bool = False
    beta_target_mean: float | int = 0.5
    beta_target_var: float | int = 0.05
    w_mean: float | int = 1.0
    w_var: float | int = 1.0
    lambda_var: float | int = 0.1
    quality_loss_debug: bool = False
    output_router_logits: bool = True

    def __post_init__(self, **kwargs):
        check_kind_of_checkpoint(self, kwargs.pop("model_type", None))  # that of a base checkpoint brings its own
        super().__post_init__(**kwargs)
        check_select_gate_config(self)
