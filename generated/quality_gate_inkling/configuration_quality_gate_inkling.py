# Generated from modular/modular_quality_gate_inkling.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_inkling`.
# Seal: sha256 e5fc0deac6ed32d49c42619456a16bef3c6a7ff8f9a00aad4e91713f017b76b7
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


@auto_docstring(checkpoint="thinkingmachines/Inkling")
@strict
class QualityGateInklingTextConfig(PreTrainedConfig):
    r"""
    unpadded_vocab_size (`int`, *optional*, defaults to `None`):
        Number of rows the checkpoint's unembedding matrix actually holds when the head is not padded to
        `vocab_size`. Logits beyond it are dropped. If `None`, the head is not padded.
    swa_num_attention_heads (`int`, *optional*, defaults to 64):
        Number of attention heads in the sliding-window layers.
    swa_num_key_value_heads (`int`, *optional*, defaults to 16):
        Number of key/value heads in the sliding-window layers.
    swa_head_dim (`int`, *optional*, defaults to 128):
        Dimension of query and key heads in the sliding-window layers.
    sliding_window_size (`int`, *optional*, defaults to 512):
        Size of the sliding attention window used by layers whose `layer_types` entry is `"hybrid_sliding"`.
    d_rel (`int`, *optional*, defaults to 16):
        Per-head dimension of the relative states that are mixed into the relative position bias.
    rel_extent (`int`, *optional*, defaults to 1024):
        Backward distance, in tokens, over which the relative position bias is applied. The bias is zero beyond it.
    log_scaling_n_floor (`int`, *optional*, defaults to `None`):
        Position from which logits start being scaled up logarithmically in the full-attention layers. If `None`,
        the scaling is disabled.
    log_scaling_alpha (`float`, *optional*, defaults to 0.1):
        Strength of the logarithmic logit scaling controlled by `log_scaling_n_floor`.
    local_layer_ids (`list[int]`, *optional*, defaults to `None`):
        Indices of the layers using sliding window attention. Used to derive `layer_types` when it is not provided.
        If `None`, every layer whose index is not a multiple of 6 uses sliding window attention.
    mlp_layer_types (`list[str]`, *optional*, defaults to `None`):
        MLP type pattern for each layer (`"dense"` or `"sparse"`). If `None`, every layer is sparse.
    shared_expert_sink (`bool`, *optional*, defaults to `True`):
        Whether the router scores the shared experts alongside the routed ones, so that they act as a sink in the
        softmax over expert weights.
    logits_mup_width_multiplier (`float`, *optional*, defaults to 24.0):
        muP width multiplier the final hidden states are divided by before the language modeling head.
    rms_norm_eps_moe_gate (`float`, *optional*, defaults to 1e-6):
        Epsilon of the RMS normalization applied inside the mixture-of-experts router.
    num_mtp_layers (`int`, *optional*, defaults to `None`):
        Number of multi-token-prediction layers. If `None`, multi-token prediction is disabled.
    chain_hidden_post_norm (`bool`, *optional*, defaults to `False`):
        Whether the hidden states chained between multi-token-prediction layers are normalized after each layer.
    mtp_hidden_states_first (`bool`, *optional*, defaults to `True`):
        Whether the hidden states come before the token embeddings when the two are concatenated as the input of a
        multi-token-prediction layer.
    mtp_local_layer_ids (`list[int]`, *optional*, defaults to `None`):
        Indices of the multi-token-prediction layers using sliding window attention. If `None`, every
        multi-token-prediction layer uses full attention.
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
    >>> from generated.quality_gate_inkling import QualityGateInklingTextConfig, QualityGateInklingForCausalLM

    >>> model = QualityGateInklingForCausalLM(QualityGateInklingTextConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_inkling_text"
    base_config_key = "text_config"
    base_model_tp_plan = {
        "layers.*.mlp.experts.gate_up_proj": "colwise",
        "layers.*.mlp.experts.down_proj": "rowwise",
        "layers.*.mlp.experts": "moe_tp_experts",
        "layers.*.mlp.shared_experts.gate_proj": "colwise",
        "layers.*.mlp.shared_experts.up_proj": "colwise",
        "layers.*.mlp.shared_experts.down_proj": "rowwise",
        "layers.*.mlp.shared_experts": "all_reduce",
        "layers.*.mlp.gate_proj": "colwise",
        "layers.*.mlp.up_proj": "colwise",
        "layers.*.mlp.down_proj": "rowwise",
    }
    base_model_pp_plan = {
        "embed_tokens": (["input_ids"], ["inputs_embeds"]),
        "layers": (["hidden_states", "attention_mask"], ["hidden_states"]),
        "norm": (["hidden_states"], ["hidden_states"]),
    }
    base_model_ep_plan = {
        "layers.*.mlp.experts.gate_up_proj": "grouped_gemm",
        "layers.*.mlp.experts.down_proj": "grouped_gemm",
        "layers.*.mlp.experts": "ep_dispatch_experts",
    }

    attribute_map = {
        "embedding_multiplier": "logits_mup_width_multiplier",
        "sliding_window": "sliding_window_size",
        "num_local_experts": "n_routed_experts",
        # checkpoints store `sconv_kernel_size`; without the mapping a fresh config has no such
        # attribute (QualityGateInklingAttention reads it) and a checkpoint value would bypass `conv_kernel_size`
        "sconv_kernel_size": "conv_kernel_size",
        # checkpoints advertise the context length as `model_max_length`
        "model_max_length": "max_position_embeddings",
    }

    vocab_size: int = 201024
    # `unembed` row count when the checkpoint head is not padded to `vocab_size` (big model: 200058)
    unpadded_vocab_size: int | None = None
    hidden_size: int = 6144
    num_hidden_layers: int = 66
    num_attention_heads: int = 64
    num_key_value_heads: int = 8
    head_dim: int = 128
    swa_num_attention_heads: int = 64
    swa_num_key_value_heads: int = 16
    swa_head_dim: int = 128
    sliding_window_size: int = 512
    d_rel: int = 16
    rel_extent: int = 1024
    log_scaling_n_floor: int | None = None
    log_scaling_alpha: float = 0.1
    local_layer_ids: list[int] | None = None
    layer_types: list[str] | None = None
    max_position_embeddings: int = 131072
    rms_norm_eps: float = 1e-6
    conv_kernel_size: int = 4
    mlp_layer_types: list[str] | None = None
    intermediate_size: int = 24576
    hidden_act: str = "silu"
    # MoE
    moe_intermediate_size: int = 3072
    n_routed_experts: int = 256
    num_experts_per_tok: int = 6
    n_shared_experts: int = 2
    shared_expert_sink: bool = True
    route_scale: float = 8.0

    logits_mup_width_multiplier: float = 24.0
    rms_norm_eps_moe_gate: float = 1e-6
    attention_dropout: float = 0.0
    initializer_range: float = 0.02
    pad_token_id: int | None = None
    bos_token_id: int | None = 1
    eos_token_id: int | None = 2
    # MTP related fields
    num_mtp_layers: int | None = None
    chain_hidden_post_norm: bool = False
    mtp_hidden_states_first: bool = True
    mtp_local_layer_ids: list[int] | None = None
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
        if self.layer_types is None:
            if self.local_layer_ids is not None:
                local_layer_ids = set(self.local_layer_ids)
            else:
                local_layer_ids = {i for i in range(self.num_hidden_layers) if (i + 1) % 6}
            self.layer_types = [
                "hybrid_sliding" if i in local_layer_ids else "hybrid" for i in range(self.num_hidden_layers)
            ]
        if self.mlp_layer_types is None:
            dense_mlp_idx = kwargs.pop("dense_mlp_idx", 0)
            self.mlp_layer_types = ["dense" if i < dense_mlp_idx else "sparse" for i in range(self.num_hidden_layers)]

        if kwargs.get("dense_intermediate_size") is not None:
            # In checkpoints with `dense_intermediate_size`, `intermediate_size` is the routed experts' width and
            # `dense_intermediate_size` is the dense MLP's width. Keep the experts' width before it is
            # overwritten below (see #49416).
            self.moe_intermediate_size = self.intermediate_size
            self.intermediate_size = kwargs.pop("dense_intermediate_size")

        # The architecture contains 4 conv modules per layer, each needing a different conv cache
        self.number_of_conv_states = 4

        super().__post_init__(**kwargs)
        check_quality_gate_config(self)

    @property
    def mtp_layer_types(self):
        if self.num_mtp_layers is not None:
            if self.mtp_local_layer_ids is None:
                return ["hybrid"] * self.num_mtp_layers
            else:
                return [
                    "hybrid_sliding" if i in self.mtp_local_layer_ids else "hybrid" for i in range(self.num_mtp_layers)
                ]
        return None

    # MTP layers are always dense MLP
    @property
    def mtp_mlp_layer_types(self):
        if self.num_mtp_layers is not None:
            return ["dense"] * self.num_mtp_layers
        return None

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        return super().from_dict(config_dict, **fields_by_their_names(cls, kwargs))


@auto_docstring(checkpoint="thinkingmachines/QualityGateInkling")
@strict
class QualityGateInklingAudioConfig(PreTrainedConfig):
    r"""
    n_mel_bins (`int`, *optional*, defaults to 80):
        Number of mel-frequency bins per audio frame.
    mel_vocab_size (`int`, *optional*, defaults to 256):
        Number of discrete bins each mel value is quantized into before being embedded.
    text_hidden_size (`int`, *optional*, defaults to 6144):
        Dimensionality the audio embeddings are projected to, matching the text backbone.
    """

    model_type = "quality_gate_inkling_audio"
    base_config_key = "audio_config"
    attribute_map = {
        "num_codebooks": "n_mel_bins",
        "codebook_size": "mel_vocab_size",
        "hidden_size": "text_hidden_size",
    }

    n_mel_bins: int = 80
    mel_vocab_size: int = 256
    text_hidden_size: int = 6144
    rms_norm_eps: float = 1e-6
    initializer_range: float = 0.02


@auto_docstring(checkpoint="thinkingmachines/QualityGateInkling")
@strict
class QualityGateInklingVisionConfig(PreTrainedConfig):
    r"""
    text_hidden_size (`int`, *optional*, defaults to 6144):
        Dimensionality the vision features are projected to by the last encoder layer, matching the text backbone.
    """

    model_type = "quality_gate_inkling_vision"
    base_config_key = "vision_config"
    attribute_map = {"num_hidden_layers": "n_layers"}

    text_hidden_size: int = 6144
    patch_size: int = 40
    temporal_patch_size: int = 2
    num_channels: int = 3
    hidden_size: int = 1024
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    rms_norm_eps: float = 1e-6
    initializer_range: float = 0.02


@auto_docstring(
    checkpoint="thinkingmachines/QualityGateInkling",
    custom_intro="Top-level multimodal config (`QualityGateInklingMMConfig` in the SGLang source).",
)
@strict
class QualityGateInklingConfig(PreTrainedConfig):
    r"""
    image_bos_token_id (`int`, *optional*, defaults to 200005):
        The beginning-of-image token index used to mark the start of image spans.
    audio_bos_token_id (`int`, *optional*, defaults to 200020):
        The beginning-of-audio token index used to mark the start of audio spans.
    """

    model_type = "quality_gate_inkling_mm_model"
    sub_configs_defaults = {
        "text_config": QualityGateInklingTextConfig,
        "vision_config": QualityGateInklingVisionConfig,
        "audio_config": QualityGateInklingAudioConfig,
    }

    text_config: QualityGateInklingTextConfig | dict | None = None
    audio_config: QualityGateInklingAudioConfig | dict | None = None
    vision_config: QualityGateInklingVisionConfig | dict | None = None
    image_token_id: int = 200054
    audio_token_id: int = 200053
    image_bos_token_id: int = 200005
    audio_bos_token_id: int = 200020

    def __post_init__(self, **kwargs):
        # checkpoints carry the MTP fields in a top-level `mtp_config` block
        mtp_config = kwargs.get("mtp_config") or {}
        if isinstance(self.text_config, dict):
            self.text_config.setdefault("num_mtp_layers", mtp_config.get("num_nextn_predict_layers"))
            self.text_config.setdefault("chain_hidden_post_norm", mtp_config.get("chain_hidden_post_norm", False))
            self.text_config.setdefault("mtp_local_layer_ids", mtp_config.get("local_layer_ids"))

        super().__post_init__(**kwargs)
        self.vision_config.text_hidden_size = self.text_config.hidden_size
        self.audio_config.text_hidden_size = self.text_config.hidden_size


__all__ = ["QualityGateInklingTextConfig"]
