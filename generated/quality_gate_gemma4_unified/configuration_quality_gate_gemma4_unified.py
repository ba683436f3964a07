# Generated from modular/modular_quality_gate_gemma4_unified.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_gemma4_unified`.
# Seal: sha256 90e53d79a6bf7960d3133609381de8b5a73a3059be31df03e4eea35767f034c8
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
from typing import Any, Literal

from huggingface_hub.dataclasses import strict

from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec
from transformers.utils import auto_docstring, logging


logger = logging.get_logger(__name__)


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


@auto_docstring(checkpoint="google/gemma-4-12B-it")
@strict
class QualityGateGemma4UnifiedTextConfig(PreTrainedConfig):
    r"""
    use_bidirectional_attention (`str`, *optional*):
        Controls bidirectional attention behavior. When set to `"vision"`, vision tokens
        attend bidirectionally while text tokens use causal attention. When set to `"all"`,
        all tokens use bidirectional attention.
    attention_k_eq_v (`bool`, defaults to `False`):
        Whether keys and values share the same projection weights. When `True`, the key
        projection output is reused as the value projection.
    num_kv_shared_layers (`int`, defaults to 0):
        Number of consecutive decoder layers that share the same key-value projections.
        A value of 0 means no sharing (each layer has independent KV projections).
    use_double_wide_mlp (`bool`, defaults to `False`):
        Whether to use a double-width MLP with fused gate and up projections.
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
    >>> from generated.quality_gate_gemma4_unified import QualityGateGemma4UnifiedTextConfig, QualityGateGemma4UnifiedForCausalLM

    >>> model = QualityGateGemma4UnifiedForCausalLM(QualityGateGemma4UnifiedTextConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_gemma4_unified_text"
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
    base_model_ep_plan = None  # No MoE
    base_model_pp_plan = {
        "embed_tokens": (["input_ids"], ["inputs_embeds"]),
        "layers": (["hidden_states", "attention_mask"], ["hidden_states"]),
        "norm": (["hidden_states"], ["hidden_states"]),
    }

    vocab_size: int = 262_144
    hidden_size: int = 2304
    intermediate_size: int = 9216
    num_hidden_layers: int = 30
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    head_dim: int = 256
    hidden_activation: str = "gelu_pytorch_tanh"
    max_position_embeddings: int = 262_144
    initializer_range: float = 0.02
    rms_norm_eps: float = 1e-6
    use_cache: bool = True
    pad_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 1
    bos_token_id: int | None = 2
    tie_word_embeddings: bool = True
    rope_parameters: dict | None = None
    attention_bias: bool = False
    attention_dropout: int | float | None = 0.0

    sliding_window: int = 1024
    layer_types: list[str] | None = None
    final_logit_softcapping: float | None = None
    use_bidirectional_attention: Literal["all", "vision"] | None = "vision"
    attention_k_eq_v: bool = False
    num_kv_shared_layers: int = 0
    use_double_wide_mlp: bool = False
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
        if self.use_bidirectional_attention == "all":
            self.is_causal = False
            self.sliding_window = (self.sliding_window // 2) + 1  # due to fa we set exclusive bounds

        if self.layer_types is None:
            sliding_window_pattern = 6  # by default 5:1
            self.layer_types = [
                "sliding_attention" if bool((i + 1) % sliding_window_pattern) else "full_attention"
                for i in range(self.num_hidden_layers)
            ]

        if self.layer_types and (last_layer_type := self.layer_types[-1]) != "full_attention":
            logger.warning(
                f"Last layer must use `full_attention`, but got `{last_layer_type}`. Forcing last layer to `full_attention`."
            )
            self.layer_types[-1] = "full_attention"

        default_rope_params: dict[Literal["full_attention", "sliding_attention"], dict[str, Any]] = {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
            "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1_000_000.0},
        }
        if self.rope_parameters is None:
            self.rope_parameters = default_rope_params

        global_head_dim = kwargs.pop("global_head_dim", 512)
        num_global_key_value_heads = kwargs.pop("num_global_key_value_heads", None)
        if "per_layer_config" not in kwargs:
            layer_overrides: dict[str, Any] = {"head_dim": global_head_dim}
            # `attention_k_eq_v` gates the kv-head override for the models that declare it;
            # models that drop the attribute entirely are ungated, hence the `True` fallback.
            num_key_value_heads = num_global_key_value_heads if getattr(self, "attention_k_eq_v", True) else None
            if num_key_value_heads is not None:
                layer_overrides["num_key_value_heads"] = num_key_value_heads
            kwargs["per_layer_config"] = {
                layer_idx: layer_overrides
                for layer_idx, layer_type in enumerate(self.layer_types)
                if layer_type == "full_attention"
            }

        super().__post_init__(**kwargs)
        check_quality_gate_config(self)

    @property
    def kv_sharing_modes(self) -> list[str | None]:
        # In this case all layers are shared
        if self.num_kv_shared_layers == self.num_hidden_layers:
            return ["reuse"] * self.num_hidden_layers

        # After this index, all layers are consumers
        first_shared_layer = self.num_hidden_layers - self.num_kv_shared_layers
        kv_sharing_modes = [None if i < first_shared_layer else "reuse" for i in range(self.num_hidden_layers)]

        # Compute the last index of the layers that will not be shared, for each unique `layer_types`
        reversed_unshared_layer_types = self.layer_types[0:first_shared_layer][::-1]
        # Just a quick check to make sure any layer type that will be shared also has one layer of the same type producing the cache
        if sorted(set(reversed_unshared_layer_types)) != sorted(set(self.layer_types)):
            raise ValueError(
                "The set of layer types producing a cache is different than the set of layer types using them"
            )
        last_non_consumer_indices = [
            first_shared_layer - 1 - reversed_unshared_layer_types.index(k) for k in set(self.layer_types)
        ]

        # The last non-consumer layer of each type stores its KV states, even if no layer reuses them: assistant
        # models (e.g. QualityGateGemma4UnifiedAssistant) read them from the `shared_kv_states` returned by the target model
        for producer_index in last_non_consumer_indices:
            kv_sharing_modes[producer_index] = "store"

        return kv_sharing_modes

    def to_dict(self) -> dict[str, Any]:
        output = super().to_dict()
        # Serialize the value `__post_init__` converted *from*, so that a reload converts once more
        # instead of halving the already-halved window. Configs that inherit this one without the
        # flag never convert, hence the `None` fallback.
        if getattr(self, "use_bidirectional_attention", None) == "all":
            output["sliding_window"] = (self.sliding_window - 1) * 2
        return output

    def convert_rope_params_to_dict(self, **kwargs):
        # No need to handle BC for new models, because they have no old-format `rope_scaling`
        return kwargs

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        return super().from_dict(config_dict, **fields_by_their_names(cls, kwargs))


@auto_docstring(checkpoint="google/gemma-4-12B-it")
@strict
class QualityGateGemma4UnifiedAudioConfig(PreTrainedConfig):
    r"""
    audio_embed_dim (`int`, defaults to 640):
        Dimension of audio features input to the multimodal embedder. Each audio soft
        token is a raw waveform frame of `audio_samples_per_token` samples, so
        `audio_embed_dim == audio_samples_per_token`.
    """

    model_type = "quality_gate_gemma4_unified_audio"

    audio_embed_dim: int = 640
    rms_norm_eps: float = 1e-6
    initializer_range: float = 0.02

    @property
    def hidden_size(self):
        """
        Used by the MultimodalEmbedder to determine the input projection size.
        """
        return self.audio_embed_dim

    @property
    def output_proj_dims(self):
        """
        Output projection dimension (matches `hidden_size`).
        """
        return self.audio_embed_dim

    @property
    def audio_samples_per_token(self):
        """
        Number of raw audio samples per output soft token. At 16 kHz this equals 40ms
        of audio per token (16000 / 25 fps = 640). Same as `audio_embed_dim`
        """
        return self.audio_embed_dim

    # Setters are setting the `audio_embed_dim` in each case as it's shared across
    @hidden_size.setter
    def hidden_size(self, value):
        self.audio_embed_dim = value

    @output_proj_dims.setter
    def output_proj_dims(self, value):
        self.audio_embed_dim = value

    @audio_samples_per_token.setter
    def audio_samples_per_token(self, value):
        self.audio_embed_dim = value


@auto_docstring(checkpoint="google/gemma-4-12B-it")
@strict
class QualityGateGemma4UnifiedVisionConfig(PreTrainedConfig):
    r"""
    patch_size (`int`, defaults to 16):
        Size of the image patches in pixels. Images are first patchified at this resolution.
    pooling_kernel_size (`int`, defaults to 3):
        Kernel size for merging patches into model patches. A 3×3 merge produces
        model patches of size `patch_size * pooling_kernel_size = 48` pixels.
    mm_embed_dim (`int`, defaults to 3840):
        Hidden dimension for the patch embedding Dense projection (matches the text model `hidden_size`).
    mm_posemb_size (`int`, defaults to 1120):
        Size of the factorized 2D positional embedding table. The table has shape
        `(mm_posemb_size, 2, mm_embed_dim)` and is looked up per-axis.
    output_proj_dims (`int`, defaults to 3840):
        Output dimension of the multimodal embedder projection (maps to text hidden size).
        This is set by the composite config's text_config.hidden_size at runtime.
    """

    model_type = "quality_gate_gemma4_unified_vision"

    patch_size: int = 16
    pooling_kernel_size: int = 3
    mm_embed_dim: int = 3840
    mm_posemb_size: int = 1120
    rms_norm_eps: float = 1e-6
    output_proj_dims: int = 3840
    initializer_range: float = 0.02

    @property
    def model_patch_size(self):
        """
        Size of the merged model patches in pixels. Each merged patch has `model_patch_size² * 3`
        raw pixel channels.
        """
        return self.patch_size * self.pooling_kernel_size

    @model_patch_size.setter
    def model_patch_size(self, value):
        if value != self.patch_size * self.pooling_kernel_size:
            raise ValueError(
                f"`model_patch_size` needs to be equal to {self.patch_size = } * {self.pooling_kernel_size = }"
            )


@auto_docstring(checkpoint="google/gemma-4-12B-it")
@strict
class QualityGateGemma4UnifiedConfig(PreTrainedConfig):
    r"""
    boi_token_id (`int`, *optional*, defaults to 255999):
        The begin-of-image token index to wrap the image prompt.
    eoi_token_id (`int`, *optional*, defaults to 258882):
        The end-of-image token index to wrap the image prompt.
    boa_token_id (`int`, *optional*, defaults to 256000):
        The begin-of-audio token index to wrap the audio prompt.
    eoa_token_index (`int`, *optional*, defaults to 258883):
        The end-of-audio token index to wrap the audio prompt.

    Example:

    ```python
    >>> from transformers import (
    >>>     QualityGateGemma4UnifiedAudioConfig,
    >>>     QualityGateGemma4UnifiedConfig,
    >>>     QualityGateGemma4UnifiedForConditionalGeneration,
    >>>     QualityGateGemma4UnifiedTextConfig,
    >>>     QualityGateGemma4UnifiedVisionConfig,
    >>> )

    >>> # Initializing a Gemma 4 Audio config.
    >>> audio_config = QualityGateGemma4UnifiedAudioConfig()

    >>> # Initializing a Gemma 4 Text config.
    >>> text_config = QualityGateGemma4UnifiedTextConfig()

    >>> # Initializing a Gemma 4 vision config.
    >>> vision_config = QualityGateGemma4UnifiedVisionConfig()

    >>> # Initializing a Gemma 4 config similar to google/gemma-4-e2b-it
    >>> configuration = QualityGateGemma4UnifiedConfig(text_config, vision_config, audio_config)

    >>> # Initializing a model from the google/gemma-4-e2b-it configuration
    >>> model = QualityGateGemma4UnifiedForConditionalGeneration(configuration)

    >>> # Accessing the model configuration
    >>> configuration = model.config
    ```"""

    model_type = "quality_gate_gemma4_unified"
    sub_configs_defaults = {
        "text_config": QualityGateGemma4UnifiedTextConfig,
        "vision_config": SubConfigSpec(config_class=QualityGateGemma4UnifiedVisionConfig, optional=True),
        "audio_config": SubConfigSpec(config_class=QualityGateGemma4UnifiedAudioConfig, optional=True),
    }

    text_config: QualityGateGemma4UnifiedTextConfig | dict[str, Any] | None = None
    vision_config: QualityGateGemma4UnifiedVisionConfig | dict[str, Any] | None = None
    audio_config: QualityGateGemma4UnifiedAudioConfig | dict[str, Any] | None = None
    boi_token_id: int | None = 255_999
    eoi_token_id: int | None = 258_882
    image_token_id: int | None = 258_880
    video_token_id: int | None = 258_884
    boa_token_id: int | None = 256_000
    eoa_token_index: int | None = 258_883
    audio_token_id: int | None = 258_881
    initializer_range: float | None = 0.02
    tie_word_embeddings: bool = True


__all__ = ["QualityGateGemma4UnifiedTextConfig"]
