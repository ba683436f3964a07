# Generated from modular/modular_select_gate_qwen3_moe.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model select_gate_qwen3_moe`.
# Seal: sha256 dd2b4e6756d60cc36e76d1d7445c6b66748c970ddbe4cdc332e048828b30fbd5
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

from huggingface_hub.dataclasses import strict

from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_rope_utils import RopeParameters
from transformers.utils import auto_docstring


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


@auto_docstring(checkpoint="Qwen/Qwen3-30B-A3B-Base")
@strict
class SelectGateQwen3MoeConfig(PreTrainedConfig):
    r"""
    decoder_sparse_step (`int`, *optional*, defaults to 1):
        The frequency of the MoE layer.
    mlp_only_layers (`list[int]`, *optional*, defaults to `[]`):
        Indicate which layers use Qwen3MoeMLP rather than Qwen3MoeSparseMoeBlock
        The list contains layer index, from 0 to num_layers-1 if we have num_layers layers
        If `mlp_only_layers` is empty, `decoder_sparse_step` is used to determine the sparsity.
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

    ```python
    >>> from generated.select_gate_qwen3_moe import SelectGateQwen3MoeConfig, SelectGateQwen3MoeForCausalLM

    >>> model = SelectGateQwen3MoeForCausalLM(SelectGateQwen3MoeConfig(trash_expert_mode="noise"))
    ```"""

    model_type = "select_gate_qwen3_moe"

    attribute_map = {
        "num_experts": "num_local_experts",
    }

    # Default tensor parallel plan for base model `SelectGateQwen3Moe`
    base_model_tp_plan = {
        "layers.*.self_attn.q_proj": "colwise",
        "layers.*.self_attn.k_proj": "colwise",
        "layers.*.self_attn.v_proj": "colwise",
        "layers.*.self_attn.q_norm": "replicated_with_grad_allreduce",
        "layers.*.self_attn.k_norm": "replicated_with_grad_allreduce",
        "layers.*.self_attn.o_proj": "rowwise",
        "layers.*.mlp.experts.gate_up_proj": "packed_colwise",
        "layers.*.mlp.experts.down_proj": "rowwise",
        "layers.*.mlp.experts": "moe_tp_experts",
        "layers.*.mlp.gate_proj": "colwise",
        "layers.*.mlp.up_proj": "colwise",
        "layers.*.mlp.down_proj": "rowwise",
    }
    base_model_ep_plan = {
        "layers.*.mlp.experts.gate_up_proj": "grouped_gemm",
        "layers.*.mlp.experts.down_proj": "grouped_gemm",
        "layers.*.mlp.experts": "ep_dispatch_experts",
    }
    base_model_pp_plan = {
        "embed_tokens": (["input_ids"], ["inputs_embeds"]),
        "layers": (["hidden_states", "attention_mask"], ["hidden_states"]),
        "norm": (["hidden_states"], ["hidden_states"]),
    }

    vocab_size: int = 151936
    hidden_size: int = 2048
    intermediate_size: int = 6144
    num_hidden_layers: int = 24
    num_attention_heads: int = 32
    num_key_value_heads: int = 4
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
    attention_dropout: float | int = 0.0
    decoder_sparse_step: int = 1
    moe_intermediate_size: int = 768
    num_experts_per_tok: int = 8
    num_experts: int = 128
    norm_topk_prob: bool = False
    output_router_logits: bool = True
    router_aux_loss_coef: float | int = 0.01
    mlp_only_layers: list[int] | None = None
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    keys_to_ignore_at_inference = [
        "cache",
        "lm_loss",
        "quality_loss",
        "aux_loss",
        "quality_logits",
        "router_logits",
    ]

    select_gate_init: str = "normal"
    quality_gate_init_mean: float | int = 0.0
    quality_gate_init_std: float | int = 0.02
    trash_expert_mode: str = "zero"
    enable_load_balancing: bool = False
    quality_loss_weight: float | int = 0.5
    quality_loss_type: str = "sigmoid"
    sample_wise_averaging: bool = False
    beta_target_mean: float | int = 0.5
    beta_target_var: float | int = 0.05
    w_mean: float | int = 1.0
    w_var: float | int = 1.0
    lambda_var: float | int = 0.1
    quality_loss_debug: bool = False

    def __post_init__(self, **kwargs):
        check_kind_of_checkpoint(self, kwargs.pop("model_type", None))  # that of a base checkpoint brings its own
        self.sliding_window = self.sliding_window if self.use_sliding_window else None
        self.mlp_only_layers = [] if self.mlp_only_layers is None else self.mlp_only_layers
        super().__post_init__(**kwargs)
        check_select_gate_config(self)


__all__ = ["SelectGateQwen3MoeConfig"]
