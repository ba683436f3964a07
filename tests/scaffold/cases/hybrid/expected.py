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
"""Toy with a quality gate on the input of every feed-forward network."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import torch
from huggingface_hub.dataclasses import strict

from generated.quality_gate_llama.configuration_quality_gate_llama import (
    check_quality_gate_config,
    fields_by_their_names,
    tell_of_old_field,
)
from generated.quality_gate_llama.modeling_quality_gate_llama import (
    QualityGateLlamaGate,
    QualityGateLlamaOutput,
    explain_mixed_types,
    load_quality_gates,
    loss_function_of_base,
    quality_classification_loss,
    quality_gate_fields,
    quality_layers,
    records_quality_scores,
    returns_quality_scores,
    save_quality_gates,
    shard_gates_apart,
    state_without_hooks,
)
from transformers import initialization as init
from transformers.modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.toy.configuration_toy import ToyConfig
from transformers.models.toy.modeling_toy import (
    ToyAttentionLayer,
    ToyForCausalLM,
    ToyModel,
    ToyPreTrainedModel,
    ToyRouter,
)
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="toys/toy")
@strict
class QualityGateToyConfig(ToyConfig):
    r"""
    toy_scale (`float`, *optional*, defaults to 1.0):
        What embeddings are multiplied by.
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
    >>> from generated.quality_gate_toy import QualityGateToyConfig, QualityGateToyForCausalLM

    >>> model = QualityGateToyForCausalLM(QualityGateToyConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_toy"
    keys_to_ignore_at_inference = [
        "past_key_values",
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


class QualityGateToyOutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateToyModelOutputWithPast(QualityGateToyOutput, MoeModelOutputWithPast):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateToyCausalLMOutputWithPast(QualityGateToyOutput, MoeCausalLMOutputWithPast):
    """The output of a language model with what its gates say."""


class QualityGateToyScoreGate(QualityGateLlamaGate):
    pass


class QualityGateToyRouter(ToyRouter):
    pass


class QualityGateToyAttentionLayer(ToyAttentionLayer):
    def __init__(self, config: QualityGateToyConfig, layer_idx: int):
        super().__init__(config, layer_idx)
        self.quality_gate = QualityGateToyScoreGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(self, hidden_states, output_quality_logits: bool = False, **kwargs):
        hidden_states = hidden_states + self.self_attn(hidden_states)
        residual = hidden_states
        feed_forward_input = self.norm(hidden_states)
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(feed_forward_input, output_quality_logits)
        hidden_states, _ = self.moe(feed_forward_input)
        if self.scale_ffn:
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states
        hidden_states = residual + hidden_states
        return hidden_states


class QualityGateToyPreTrainedModel(ToyPreTrainedModel):
    _keep_in_fp32_modules = ["norm", "quality_gate.gate"]
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "router_logits": OutputRecorder(QualityGateToyRouter, index=0),
        "hidden_states": QualityGateToyAttentionLayer,
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates
    __getstate__ = state_without_hooks
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)

    def __init__(self, config: QualityGateToyConfig, *inputs, **kwargs):
        check_quality_gate_config(config)
        self.quality_gate_fields = quality_gate_fields(config)  # that its layers are built from
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), QualityGateToyModel, exist_ok=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    def post_init(self):
        PreTrainedModel.post_init(self)
        shard_gates_apart(self)

    def __call__(self, *args, **kwargs):
        try:
            return PreTrainedModel.__call__(self, *args, **kwargs)
        except AssertionError as problem:  # before any forward of ours
            explain_mixed_types(problem)
            raise

    @torch.no_grad()
    def _init_weights(self, module):
        PreTrainedModel._init_weights(self, module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)


class QualityGateToyModel(ToyModel):
    @returns_quality_scores(QualityGateToyModelOutputWithPast)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        *,
        quality_targets: torch.Tensor | None = None,
        output_router_logits: bool | None = None,
        **super_kwargs: Unpack[TransformersKwargs],
    ):
        r"""
        quality_targets (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, sequence_length)`, *optional*):
            Labels for the quality loss: 1 for a sample of the quality to train for, 0 for any other, negative where
            it is not known, which costs what it does without labels. One for each token where rows hold several samples.
        output_router_logits (`bool`, *optional*):
            Whether to return the scores of the gates and, where the model has experts, the logits of their routers.
            If it is not given, `config.output_quality_logits` decides; in training, and where `quality_targets` are given,
            they are returned.
        """
        return super().forward(**super_kwargs)


def balances_whole_sequences(forward: Callable) -> Callable:
    """Decorate the `forward` of a language model: no load balancing loss where the mask is not the tokens' own.

    With a cache the mask is longer than the routers' logits or prepared for attention, and the loss fails on it.
    """

    @wraps(forward)
    def wrapper(self, input_ids=None, attention_mask=None, inputs_embeds=None, **kwargs):
        tokens = input_ids if input_ids is not None else inputs_embeds
        if attention_mask is not None and tokens is not None:
            if not isinstance(attention_mask, torch.Tensor) or attention_mask.shape != tokens.shape[:2]:
                kwargs["output_router_logits"] = False
        return forward(self, input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs)

    return wrapper


class QualityGateToyForCausalLM(ToyForCausalLM):
    router_aux_loss_coef = property(lambda self: self.aux_coef)

    @returns_quality_scores(QualityGateToyCausalLMOutputWithPast)
    @balances_whole_sequences
    @auto_docstring
    def forward(self, *, quality_targets: torch.Tensor | None = None, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        labels (`torch.Tensor`, *optional*):
            The next tokens.
        quality_targets (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, sequence_length)`, *optional*):
            Labels for the quality loss: 1 for a sample of the quality to train for, 0 for any other, negative where
            it is not known, which costs what it does without labels. One for each token where rows hold several samples.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


__all__ = [
    "QualityGateToyConfig",
    "QualityGateToyPreTrainedModel",
    "QualityGateToyModel",
    "QualityGateToyForCausalLM",
    "quality_classification_loss",
]
