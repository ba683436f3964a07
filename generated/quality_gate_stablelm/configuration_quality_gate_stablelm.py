# Generated from modular/modular_quality_gate_stablelm.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_stablelm`.
# Seal: sha256 644e677b9aa91fa6672b49dcc27d00a52ed7c0dcdcf688be8a022299fab43b3a
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
import warnings
from typing import Any

from huggingface_hub.dataclasses import strict

from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_rope_utils import RopeParameters
from transformers.utils import auto_docstring


def tell_of_old_field() -> None:
    """Warn that a configuration calls a field by the name that it once had."""
    message = "A configuration's `output_router_logits` is deprecated: name it `output_quality_logits`."
    warnings.warn(message, FutureWarning, stacklevel=5)


def fields_by_their_names(config: type[PreTrainedConfig], given: dict[str, Any]) -> dict[str, Any]:
    """Keywords of `from_pretrained`, which sets those that a `config` knows, with what has an old name under its own.

    Raises:
        TypeError: both names are given.
    """
    if "output_router_logits" not in given or hasattr(config, "output_router_logits"):  # a mixture of experts' own
        return given
    if "output_quality_logits" in given:
        raise TypeError("`output_router_logits` is the old name of `output_quality_logits`: give one of them.")
    tell_of_old_field()
    others = {name: value for name, value in given.items() if name != "output_router_logits"}
    return others | {"output_quality_logits": bool(given["output_router_logits"])}


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


@auto_docstring(checkpoint="stabilityai/stablelm-3b-4e1t")
@strict
class QualityGateStableLmConfig(PreTrainedConfig):
    r"""
    use_parallel_residual (`bool`, *optional*, defaults to `False`):
        Whether to use a "parallel" formulation in each Transformer layer, which can provide a slight training
        speedup at large scales.
    hidden_dropout (`float`, *optional*, defaults to 0.0):
        The dropout ratio after applying the MLP to the hidden states.
    quality_gate_init_mean (`float`, *optional*, defaults to 0.0):
        Mean of the normal distribution that new gate weights are drawn from.
    quality_gate_init_std (`float`, *optional*, defaults to 0.02):
        Standard deviation of that distribution.
    quality_gate_mode (`str`, *optional*, defaults to `"observe"`):
        `"observe"` leaves the logits as the base computes them, `"scale_ffn"` multiplies the output of every
        feed-forward network by its good ratio.
    quality_loss_weight (`float`, *optional*, defaults to 0.5):
        Weight of the quality loss in the loss.
    quality_loss_type (`str`, *optional*, defaults to `"linear"`):
        `"linear"` (also called `"sigmoid"`), `"mse"`, `"beta_moment_matching"` or `"mean_variance_regularization"`.
    quality_loss_balance (`float`, *optional*, defaults to 1.0):
        Weight of samples whose `quality_targets` are 0; that of samples labeled 1 is 2 less this.
    sample_wise_averaging (`bool`, *optional*, defaults to `True`):
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
    output_quality_logits (`bool`, *optional*, defaults to `False`):
        Whether forwards return the scores of the gates where their argument `output_router_logits` does not say.

    ```python
    >>> from generated.quality_gate_stablelm import QualityGateStableLmConfig, QualityGateStableLmForCausalLM

    >>> model = QualityGateStableLmForCausalLM(QualityGateStableLmConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_stablelm"

    vocab_size: int = 50304
    intermediate_size: int = 6912
    hidden_size: int = 2560
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int = 32
    hidden_act: str = "silu"
    max_position_embeddings: int = 4096
    initializer_range: float = 0.02
    layer_norm_eps: float = 1.0e-5
    use_cache: bool = True
    tie_word_embeddings: bool = False
    rope_parameters: RopeParameters | dict | None = None
    use_qkv_bias: bool = False
    qk_layernorm: bool = False
    use_parallel_residual: bool = False
    hidden_dropout: float | int = 0.0
    attention_dropout: float | int = 0.0
    bos_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 0
    pad_token_id: int | None = None
    keys_to_ignore_at_inference = [
        "cache",
        "lm_loss",
        "quality_loss",
        "aux_loss",
        "quality_logits",
        "router_logits",
    ]

    quality_gate_init_mean: float | int = 0.0
    quality_gate_init_std: float | int = 0.02
    quality_gate_mode: str = "observe"
    quality_loss_weight: float | int = 0.5
    quality_loss_type: str = "linear"
    quality_loss_balance: float | int = 1.0
    sample_wise_averaging: bool = True
    beta_target_mean: float | int = 0.5
    beta_target_var: float | int = 0.05
    w_mean: float | int = 1.0
    w_var: float | int = 1.0
    lambda_var: float | int = 0.1
    quality_loss_debug: bool = False
    output_quality_logits: bool = False

    def __post_init__(self, **kwargs):
        kwargs.pop("model_type", None)  # the config of a base checkpoint brings its own
        if kwargs.pop("output_router_logits", False):  # its old name; a mixture of experts has a field called so
            self.output_quality_logits = True
            tell_of_old_field()
        kwargs.setdefault("partial_rotary_factor", 0.25)  # assign default for BC
        super().__post_init__(**kwargs)
        check_quality_gate_config(self)

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        return super().from_dict(config_dict, **fields_by_their_names(cls, kwargs))


__all__ = ["QualityGateStableLmConfig"]
