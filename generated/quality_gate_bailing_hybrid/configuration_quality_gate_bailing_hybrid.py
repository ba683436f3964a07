# Generated from modular/modular_quality_gate_bailing_hybrid.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model quality_gate_bailing_hybrid`.
# Seal: sha256 42ba18d65b2fc6bd8956b93c0a43ec75ad923d2b8dba58f1de6930a623bc1bee
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


@auto_docstring(checkpoint="inclusionAI/Ling-3.0-Flash")
@strict
class QualityGateBailingHybridConfig(PreTrainedConfig):
    r"""
    n_group (`int`, *optional*, defaults to 8):
        Number of expert groups used by the group-limited router.
    first_k_dense_replace (`int`, *optional*, defaults to 2):
        Number of initial decoder layers that use a dense MLP instead of routed experts.
    num_mtp_layers (`int`, *optional*, defaults to 1):
        Number of Multi-Token Prediction (MTP) layers stored after the main decoder in the checkpoint. Standard causal
        inference uses only `num_hidden_layers` decoder layers.
    rope_theta (`float`, *optional*, defaults to 6000000.0):
        Base period of the rotary position embeddings used by MLA layers.
    q_lora_rank (`int`, *optional*, defaults to `None`):
        Low-rank dimension of the query projection in MLA layers. When unset, queries use a single projection.
    short_conv_kernel_size (`int`, *optional*, defaults to 4):
        Kernel size of the short depthwise convolutions in KDA layers.
    layer_group_size (`int`, *optional*, defaults to 6):
        Number of layers in each hybrid attention group. The last layer in every group uses full MLA and the other
        layers use KDA.
    kda_safe_gate (`bool`, *optional*, defaults to `True`):
        Whether to use the bounded KDA forget gate.
    kda_lower_bound (`float`, *optional*, defaults to -5.0):
        Lower bound of the KDA forget gate in log space.
    mlp_layer_types (`list[str]`, *optional*):
        Per-layer MLP types. Derived from `first_k_dense_replace` when omitted.
    mtp_loss_scaling_factor (`float`, *optional*, defaults to 0.0):
        Scaling factor used for the auxiliary multi-token-prediction loss during pretraining.
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
    >>> from generated.quality_gate_bailing_hybrid import QualityGateBailingHybridConfig, QualityGateBailingHybridForCausalLM

    >>> model = QualityGateBailingHybridForCausalLM(QualityGateBailingHybridConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_bailing_hybrid"
    base_model_tp_plan = {
        "layers.*.mlp.experts.gate_up_proj": "packed_colwise",
        "layers.*.mlp.experts.down_proj": "rowwise",
        "layers.*.mlp.experts": "moe_tp_experts",
        "layers.*.mlp.shared_experts.gate_proj": "colwise",
        "layers.*.mlp.shared_experts.up_proj": "colwise",
        "layers.*.mlp.shared_experts.down_proj": "rowwise",
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
        "max_position_embeddings": "model_max_length",
        "norm_topk_prob": "moe_renormalize",
        "n_group": "num_expert_group",
        "num_local_experts": "num_experts",
        "num_experts_per_tok": "num_experts_per_token",
        "n_shared_experts": "num_shared_experts",
        "num_mtp_layers": "num_nextn_predict_layers",
    }

    vocab_size: int = 157184
    hidden_size: int = 2560
    intermediate_size: int = 6144
    moe_intermediate_size: int = 768
    num_hidden_layers: int = 42
    num_attention_heads: int = 32
    num_key_value_heads: int | None = 32
    n_shared_experts: int = 1
    output_router_logits: bool = False
    routed_scaling_factor: float = 2.5

    kv_lora_rank: int = 512
    q_lora_rank: int | None = None
    qk_rope_head_dim: int = 64
    v_head_dim: int = 128
    qk_nope_head_dim: int = 128
    n_group: int = 8
    topk_group: int = 4
    num_experts_per_tok: int = 8
    first_k_dense_replace: int = 2
    norm_topk_prob: bool = True
    hidden_act: str = "silu"
    max_position_embeddings: int = 262144
    initializer_range: float = 0.02
    rms_norm_eps: float = 1e-6
    use_cache: bool = True
    pad_token_id: int | None = 156892
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = 156895
    pretraining_tp: int | None = 1
    tie_word_embeddings: bool = False
    rope_parameters: RopeParameters | dict | None = None
    attention_bias: bool = False
    attention_dropout: float = 0.0
    num_mtp_layers: int = 1
    num_local_experts: int = 512
    rope_theta: float | int = 6_000_000.0

    head_dim: int = 128
    short_conv_kernel_size: int = 4
    layer_group_size: int = 6
    kda_safe_gate: bool = True
    kda_lower_bound: float = -5.0
    layer_types: list[str] | None = None
    mlp_layer_types: list[str] | None = None

    mtp_loss_scaling_factor: float | int = 0.0
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
        self.linear_head_dim = self.head_dim
        self.linear_num_heads = self.num_attention_heads
        self.linear_conv_kernel_dim = self.short_conv_kernel_size

        if self.layer_types is None:
            self.layer_types = [
                "full_attention" if (layer_idx + 1) % self.layer_group_size == 0 else "linear_attention"
                for layer_idx in range(self.num_hidden_layers)
            ]
        if self.mlp_layer_types is None:
            self.mlp_layer_types = [
                "dense" if layer_idx < self.first_k_dense_replace else "sparse"
                for layer_idx in range(self.num_hidden_layers)
            ]
        if self.rope_parameters is None:
            self.rope_parameters = {"rope_type": "default", "rope_theta": self.rope_theta}
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads

        self.qk_head_dim = self.qk_nope_head_dim + self.qk_rope_head_dim
        self.head_dim = self.qk_rope_head_dim
        super().__post_init__(**kwargs)
        check_quality_gate_config(self)

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        return super().from_dict(config_dict, **fields_by_their_names(cls, kwargs))


__all__ = ["QualityGateBailingHybridConfig"]
