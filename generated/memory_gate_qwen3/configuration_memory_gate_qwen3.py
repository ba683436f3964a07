# Generated from modular/modular_memory_gate_qwen3.py and transformers 5.24.0.
# Do not edit: change the modular file and run `python utils/modular_converter.py --model memory_gate_qwen3`.
# Seal: sha256 8b02de8a9c31b6ebf51c1c6af7bdaf62162631e20538b7942552a05e4f512479
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
from typing import Any

from huggingface_hub.dataclasses import strict

from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_rope_utils import RopeParameters
from transformers.utils import auto_docstring


def take_original_fields(config: PreTrainedConfig, fields: dict[str, Any]) -> None:
    """Let fields of the original project say what theirs are called here; they are taken out of `fields`."""
    if fields.pop("use_moe", False):
        config.use_memory = False
    if "dropout" in fields and not hasattr(type(config), "dropout"):
        config.memory_dropout = fields.pop("dropout")


def query_layer_of(config: PreTrainedConfig) -> int:
    """The number of the layer whose output queries and keys of rows are made of, from 0."""
    config = config.get_text_config()
    if config.memory_query_layer is not None:
        return config.memory_query_layer
    return min(3, *memory_layers_of(config), config.num_hidden_layers - 1)


def memory_pad_of(config: PreTrainedConfig) -> int:
    """The token that rows of the bank end with where they are shorter: the model's own for padding, or else 0."""
    config = config.get_text_config()
    pad = config.memory_pad_token_id if config.memory_pad_token_id is not None else config.pad_token_id
    return pad if isinstance(pad, int) and 0 <= pad < config.vocab_size else 0


def memory_layers_of(config: PreTrainedConfig) -> tuple[int, ...]:
    """The numbers of the layers that write what was read, from 0."""
    config = config.get_text_config()
    layers = config.num_hidden_layers
    if config.memory_layers is not None:
        return tuple(config.memory_layers)
    if not config.use_memory:
        return ()
    return tuple(range(layers)) if config.memory_design == "original" else (max(round(0.8 * layers) - 1, 0),)


def check_memory_gate_config(config: PreTrainedConfig) -> None:
    """Raise a ValueError that names the first gate field out of range, its value and what is allowed."""
    for name, choices in MEMORY_GATE_CHOICES.items():
        value = getattr(config, name)
        if value not in choices:
            raise ValueError(f"`{name}` is {value!r}, but must be one of {', '.join(choices)}.")
    for name, least in MEMORY_GATE_COUNTS.items():
        value = getattr(config, name)
        if not isinstance(value, int) or value < least:
            raise ValueError(f"`{name}` is {value!r}, but must be a whole number from {least} on.")
    for name, (low, high) in MEMORY_GATE_RANGES.items():
        value = getattr(config, name)
        if not isinstance(value, float | int) or not low <= value <= high or math.isinf(value):
            raise ValueError(f"`{name}` is {value!r}, but must be a number from {low} to {high}.")
    check_memory_bank_config(config)
    layers = config.get_text_config().num_hidden_layers
    for number in memory_layers_of(config):
        if not isinstance(number, int) or not 0 <= number < layers:
            raise ValueError(
                f"`memory_layers` names the layer {number!r}, but layers have the numbers 0 to {layers - 1} here."
            )
    query, first = query_layer_of(config), min(memory_layers_of(config), default=layers)
    if config.memory_design == "content" and not 0 <= query <= min(first, layers - 1):
        raise ValueError(
            f"`memory_query_layer` is {query!r}, but must be the number of a layer that is not behind the first of "
            f"`memory_layers`, which is {first}."
        )


def check_memory_bank_config(config: PreTrainedConfig) -> None:
    """Raise a ValueError for a bank whose rows make no grid, or a search that asks more of it than it has."""
    root = math.isqrt(config.knowledge_num)
    if root * root != config.knowledge_num:
        raise ValueError(
            f"`knowledge_num` is {config.knowledge_num}, but must be a square number, since rows are found by product "
            f"keys: {root * root} or {(root + 1) ** 2}."
        )
    if config.knowledge_dim % 2:
        raise ValueError(f"`knowledge_dim` is {config.knowledge_dim}, but must be even: keys are made of two halves.")
    if config.num_candidates > root:
        raise ValueError(
            f"`num_candidates` is {config.num_candidates}, but must be at most {root}, the root of `knowledge_num`."
        )
    if config.num_selected > config.num_candidates:
        raise ValueError(
            f"`num_selected` is {config.num_selected}, but must be at most `num_candidates`, which is "
            f"{config.num_candidates}."
        )


def check_kind_of_checkpoint(config: PreTrainedConfig, model_type: str | None) -> None:
    """Raise a ValueError for the configuration of a checkpoint with gates of another kind, or on another base."""
    if model_type and "_gate_" in model_type and model_type != config.model_type:
        raise ValueError(
            f"This is a checkpoint of `{model_type}`, whose gates are not those of `{config.model_type}`."
        )


MEMORY_GATE_RANGES = {
    "freeze_ratio": (0, 1),
    "gumbel_temperature": (0, math.inf),
    "memory_dropout": (0, 1),
    "memory_sharpness": (0, math.inf),
    "memory_null_similarity": (-1, 1),
    "gate_score_weight": (0, math.inf),
    "similarity_scale": (0, math.inf),
    "similarity_loss_coef": (0, math.inf),
    "diversity_loss_coef": (0, math.inf),
    "retrieval_loss_coef": (0, math.inf),
}
MEMORY_GATE_COUNTS = {
    "knowledge_num": 1,
    "knowledge_length": 1,
    "knowledge_dim": 2,
    "num_candidates": 1,
    "num_selected": 1,
    "memory_heads": 1,
    "memory_head_dim": 1,
    "memory_negatives": 1,
}


MEMORY_GATE_CHOICES = {
    "memory_design": ("content", "original"),
    "memory_alpha": ("monotone", "mlp", "linear"),
    "diversity_mode": ("weighted", "uniform"),
}


@auto_docstring(checkpoint="Qwen/Qwen3-8B")
@strict
class MemoryGateQwen3Config(PreTrainedConfig):
    r"""
    use_memory (`bool`, *optional*, defaults to `True`):
        Whether there are a bank and gates. Without, the model is its base.
    memory_design (`str`, *optional*, defaults to `"content"`):
        How rows are found and written. `"content"` finds them by what they say, and copies their tokens. `"original"`
        is the design of the ExplicitLM project: learned product keys, and a SwiGLU network over the mean of a row.
    knowledge_num (`int`, *optional*, defaults to 1048576):
        How many rows the bank has: a square number.
    knowledge_length (`int`, *optional*, defaults to 16):
        How many tokens a row has.
    knowledge_dim (`int`, *optional*, defaults to 128):
        How wide the keys are by which rows are found; even.
    num_candidates (`int`, *optional*, defaults to 16):
        How many cells of the grid of product keys are looked into; at most the root of `knowledge_num`.
    num_selected (`int`, *optional*, defaults to 1):
        How many rows are read at each token.
    memory_layers (`list[int]`, *optional*):
        The layers that write what was read, from 0. By default one at four fifths of the depth, and in the original
        design all.
    memory_query_layer (`int`, *optional*):
        In the content design the layer whose output queries and keys are made of; by default the fourth.
    memory_pad_token_id (`int`, *optional*):
        The token that rows end with where they are shorter; by default `pad_token_id`, or 0 without one. A row of it
        alone is empty.
    freeze_ratio (`float`, *optional*, defaults to 0.2):
        Share of the rows, from the first on, that updates never overwrite.
    memory_heads (`int`, *optional*, defaults to 4):
        Heads of the pool that makes keys, and of the attention over the tokens of a row.
    memory_head_dim (`int`, *optional*, defaults to 64):
        How wide a head of that attention is.
    memory_sharpness (`float`, *optional*, defaults to 40.0):
        How sharply what is written depends on similarity: `alpha = sigmoid(sharpness * (similarity - null))`.
    memory_null_similarity (`float`, *optional*, defaults to 0.75):
        Where that threshold starts; it is learned. In the original design 0.5 is meant, and may be set.
    memory_negatives (`int`, *optional*, defaults to 510):
        How many rows a query is told apart from in training.
    retrieval_loss_coef (`float`, *optional*, defaults to 1.0):
        Weight of the retrieval loss, which a call with `memory_targets` has.
    gumbel_temperature (`float`, *optional*, defaults to 1.0):
        Temperature of the choice among candidates in the original design, in training.
    similarity_scale (`float`, *optional*, defaults to 1.0):
        What similarities are multiplied by before that choice.
    gate_score_weight (`float`, *optional*, defaults to 1.0):
        Weight of the product keys' scores in it: without, the keys get no gradient.
    memory_alpha (`str`, *optional*, defaults to `"monotone"`):
        How much is written in the original design: `"monotone"`, a learned sigmoid of the similarity; `"mlp"`, the
        original's small network; `"linear"`, the similarity itself, from 0 to 1.
    zero_init_fusion (`bool`, *optional*, defaults to `True`):
        Whether new gates write nothing, so that a new model computes what its base does.
    memory_rank (`int`, *optional*):
        Rank of the linear maps of gates in the original design, as products of two; by default they are whole.
    memory_dropout (`float`, *optional*, defaults to 0.0):
        Dropout of candidates' scores and of what is written in the original design.
    similarity_loss_coef (`float`, *optional*, defaults to 0.1):
        Weight of the similarity loss of the original design.
    diversity_loss_coef (`float`, *optional*, defaults to 0.05):
        Weight of its diversity loss.
    diversity_mode (`str`, *optional*, defaults to `"weighted"`):
        Whether that weights pairs of candidates by their probabilities, or all alike (`"uniform"`).
    output_memory (`bool`, *optional*, defaults to `False`):
        Whether to return which rows were read at each token, and statistics of them.

    ```python
    >>> from generated.memory_gate_qwen3 import MemoryGateQwen3Config, MemoryGateQwen3ForCausalLM

    >>> model = MemoryGateQwen3ForCausalLM(MemoryGateQwen3Config(knowledge_num=1024))
    ```"""

    model_type = "memory_gate_qwen3"

    # Default tensor parallel plan for base model `MemoryGateQwen3`
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
        "lm_loss",
        "aux_loss",
        "memory_rows",
        "memory_alphas",
        "memory_stats",
    ]

    use_memory: bool = True
    memory_design: str = "content"
    knowledge_num: int = 1048576
    knowledge_length: int = 16
    knowledge_dim: int = 128
    num_candidates: int = 16
    num_selected: int = 1
    memory_layers: list[int] | None = None
    memory_query_layer: int | None = None
    memory_pad_token_id: int | None = None
    freeze_ratio: float | int = 0.2
    memory_heads: int = 4
    memory_head_dim: int = 64
    memory_sharpness: float | int = 40.0
    memory_null_similarity: float | int = 0.75
    memory_negatives: int = 510
    retrieval_loss_coef: float | int = 1.0
    gumbel_temperature: float | int = 1.0
    similarity_scale: float | int = 1.0
    gate_score_weight: float | int = 1.0
    memory_alpha: str = "monotone"
    zero_init_fusion: bool = True
    memory_rank: int | None = None
    memory_dropout: float | int = 0.0
    similarity_loss_coef: float | int = 0.1
    diversity_loss_coef: float | int = 0.05
    diversity_mode: str = "weighted"
    output_memory: bool = False

    def __post_init__(self, **kwargs):
        check_kind_of_checkpoint(self, kwargs.pop("model_type", None))  # that of a base checkpoint brings its own
        take_original_fields(self, kwargs)
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
        self.memory_pad_token_id = memory_pad_of(self)
        check_memory_gate_config(self)


__all__ = ["MemoryGateQwen3Config"]
