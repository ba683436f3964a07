# Generated from modular/modular_quality_gate_emu3.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_emu3`.
# Seal: sha256 1bd360277429f6d1ba64a950c64ce1024c733d2258b380256c2f21c54eb880ad
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


@auto_docstring(checkpoint="Emu3-community/Emu3-Chat-hf")
@strict
class QualityGateEmu3TextConfig(PreTrainedConfig):
    r"""
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
    >>> from generated.quality_gate_emu3 import QualityGateEmu3TextConfig, QualityGateEmu3ForCausalLM

    >>> model = QualityGateEmu3ForCausalLM(QualityGateEmu3TextConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_emu3_text_model"
    base_model_tp_plan = {"embed_tokens": "embedding_rowwise"}
    base_config_key = "text_config"
    default_theta = 1000000.0

    vocab_size: int = 184622
    hidden_size: int = 4096
    intermediate_size: int = 14336
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = 8
    hidden_act: str = "silu"
    max_position_embeddings: int = 9216
    rms_norm_eps: float = 1e-5
    use_cache: bool = True
    pad_token_id: int = 151643
    bos_token_id: int = 151849
    eos_token_id: int | list[int] | None = 151850
    rope_parameters: RopeParameters | dict | None = None
    mlp_bias = False
    attention_bias = False
    attention_dropout: float | int = 0.1
    initializer_range: float = 0.02
    tie_word_embeddings: bool = False
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
        super().__post_init__(**kwargs)
        check_quality_gate_config(self)

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        return super().from_dict(config_dict, **fields_by_their_names(cls, kwargs))


@auto_docstring(checkpoint="QualityGateEmu3-community/QualityGateEmu3-Chat-hf")
@strict
class QualityGateEmu3VQVAEConfig(PreTrainedConfig):
    r"""
    embed_dim (`int`, *optional*, defaults to 4):
        Dimension of the quantized vector in codebook.
    out_channels (`int`, *optional*, defaults to 3):
        Output channel of decoder.
    temporal_downsample_factor (`int`, *optional*, defaults to 4):
        Temporal downsample factor.
    base_channels (`int`, *optional*, defaults to 256):
        Basic channel number of the intermediate blocks.
    channel_multiplier (`list[int]`, *optional*, defaults to `[1, 2, 2, 4]`):
        Channel scaling factor of the intermediate blocks.
    num_res_blocks (`int`, *optional*, defaults to 2):
        Residual block number in each stage.
    attn_resolutions (`list[int]`, *optional*, defaults to `[3]`):
        Stage indices to apply attention.

    ```python
    >>> from transformers import QualityGateEmu3VQVAE, QualityGateEmu3VQVAEConfig

    >>> # Initializing a video VQ model of QualityGateEmu3 configuration
    >>> configuration = QualityGateEmu3VQVAEConfig()

    >>> # Initializing a model from the QualityGateEmu3 VQ model style configuration
    >>> model = QualityGateEmu3VQVAE(configuration)

    >>> # Accessing the model configuration
    >>> configuration = model.config
    ```
    """

    model_type = "quality_gate_emu3_vqgan"
    base_config_key = "vq_config"

    codebook_size: int = 32768
    embed_dim: int = 4
    latent_channels: int = 4
    double_latent: bool = False
    in_channels: int = 3
    out_channels: int = 3
    temporal_downsample_factor: int = 4
    base_channels: int = 256
    channel_multiplier: list[int] | tuple[int, ...] = (1, 2, 2, 4)
    num_res_blocks: int = 2
    attn_resolutions: list[int] | tuple[int, ...] = (3,)
    hidden_size: int = 1024
    num_attention_heads: int = 1
    attention_dropout: float | int = 0.0


@auto_docstring(checkpoint="QualityGateEmu3-community/QualityGateEmu3-Chat-hf")
@strict
class QualityGateEmu3Config(PreTrainedConfig):
    r"""
    vocabulary_map (`dict`, *optional*):
        A dictionary containing the vocabulary map from the tokenizer. Used to obtain tokens from the image inputs.
    """

    model_type = "quality_gate_emu3"
    sub_configs_defaults = {
        "vq_config": QualityGateEmu3VQVAEConfig,
        "text_config": QualityGateEmu3TextConfig,
    }

    vq_config: dict | QualityGateEmu3VQVAEConfig | None = None
    text_config: dict | QualityGateEmu3TextConfig | None = None
    vocabulary_map: dict[str, int] | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs):
        self.image_token_id = self.vocabulary_map.get("<image>") if self.vocabulary_map is not None else None
        super().__post_init__(**kwargs)


__all__ = ["QualityGateEmu3TextConfig"]
