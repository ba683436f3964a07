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
"""Qwen3 with the gates of QualityGateLlama."""

from huggingface_hub.dataclasses import strict

from generated.quality_gate_llama.configuration_quality_gate_llama import check_quality_gate_config
from generated.quality_gate_llama.modeling_quality_gate_llama import (
    QualityGateLlamaDecoderLayer,
    QualityGateLlamaForCausalLM,
    QualityGateLlamaForQuestionAnswering,
    QualityGateLlamaForSequenceClassification,
    QualityGateLlamaForTokenClassification,
    QualityGateLlamaModelOutputWithPast,
    QualityGateLlamaPreTrainedModel,
    quality_classification_loss,
    records_quality_scores,
    returns_quality_scores,
)
from transformers.models.qwen3.configuration_qwen3 import Qwen3Config
from transformers.models.qwen3.modeling_qwen3 import Qwen3Attention, Qwen3MLP, Qwen3Model, Qwen3RMSNorm
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs


@auto_docstring(checkpoint="Qwen/Qwen3-1.7B")
@strict
class QualityGateQwen3Config(Qwen3Config):
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
        Weight of samples whose `quality_labels` are 0; that of samples labeled 1 is 2 less this.
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

    ```python
    >>> from generated.quality_gate_qwen3 import QualityGateQwen3Config, QualityGateQwen3ForCausalLM

    >>> model = QualityGateQwen3ForCausalLM(QualityGateQwen3Config(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_qwen3"
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
    output_router_logits: bool = False

    def __post_init__(self, **kwargs):
        if kwargs.pop("model_type", None) == "quality_gate" and self.quality_loss_type == "beta":
            self.quality_loss_type = "linear"  # what the original computes, whatever its config says
        super().__post_init__(**kwargs)
        check_quality_gate_config(self)


class QualityGateQwen3RMSNorm(Qwen3RMSNorm):
    pass


class QualityGateQwen3MLP(Qwen3MLP):
    pass


class QualityGateQwen3Attention(Qwen3Attention):
    pass


class QualityGateQwen3DecoderLayer(QualityGateLlamaDecoderLayer):
    pass


class QualityGateQwen3PreTrainedModel(QualityGateLlamaPreTrainedModel):
    pass


class QualityGateQwen3ModelOutputWithPast(QualityGateLlamaModelOutputWithPast):
    pass


class QualityGateQwen3Model(Qwen3Model):
    _tp_plan = {"layers.*.quality_gate.gate": "replicate"}

    @returns_quality_scores(QualityGateQwen3ModelOutputWithPast)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


class QualityGateQwen3ForCausalLM(QualityGateLlamaForCausalLM):
    pass


class QualityGateQwen3ForSequenceClassification(QualityGateLlamaForSequenceClassification):
    pass


class QualityGateQwen3ForTokenClassification(QualityGateLlamaForTokenClassification):
    pass


class QualityGateQwen3ForQuestionAnswering(QualityGateLlamaForQuestionAnswering):
    pass


__all__ = [
    "QualityGateQwen3Config",
    "QualityGateQwen3PreTrainedModel",
    "QualityGateQwen3Model",
    "QualityGateQwen3ForCausalLM",
    "QualityGateQwen3ForSequenceClassification",
    "QualityGateQwen3ForTokenClassification",
    "QualityGateQwen3ForQuestionAnswering",
    "quality_classification_loss",
]
