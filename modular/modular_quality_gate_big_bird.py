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
"""BigBird with a quality gate on the input of every feed-forward network."""

from dataclasses import dataclass

import torch
from huggingface_hub.dataclasses import strict

from generated.quality_gate_llama.configuration_quality_gate_llama import check_quality_gate_config
from generated.quality_gate_llama.modeling_quality_gate_llama import (
    QualityGateLlamaGate,
    QualityGateLlamaOutput,
    load_quality_gates,
    quality_classification_loss,
    quality_layers,
    records_quality_scores,
    returns_quality_scores,
    save_quality_gates,
)
from transformers import initialization as init
from transformers.modeling_outputs import (
    BaseModelOutputWithPoolingAndCrossAttentions,
    CausalLMOutputWithCrossAttentions,
    MaskedLMOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.big_bird.configuration_big_bird import BigBirdConfig
from transformers.models.big_bird.modeling_big_bird import (
    BigBirdBlockSparseAttention,
    BigBirdForCausalLM,
    BigBirdForMaskedLM,
    BigBirdForPreTraining,
    BigBirdForPreTrainingOutput,
    BigBirdForQuestionAnswering,
    BigBirdForQuestionAnsweringModelOutput,
    BigBirdForSequenceClassification,
    BigBirdForTokenClassification,
    BigBirdLayer,
    BigBirdModel,
    BigBirdOutput,
    BigBirdPreTrainedModel,
    BigBirdSelfAttention,
)
from transformers.processing_utils import Unpack
from transformers.pytorch_utils import apply_chunking_to_forward
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="google/bigbird-roberta-base")
@strict
class QualityGateBigBirdConfig(BigBirdConfig):
    r"""
    attention_type (`str`, *optional*, defaults to `"block_sparse"`):
        Whether to use block sparse attention (with n complexity) as introduced in paper or original attention
        layer (with n^2 complexity). Possible values are `"original_full"` and `"block_sparse"`.
    use_bias (`bool`, *optional*, defaults to `True`):
        Whether to use bias in query, key, value.
    rescale_embeddings (`bool`, *optional*, defaults to `False`):
        Whether to rescale embeddings with (hidden_size ** 0.5).
    block_size (`int`, *optional*, defaults to 64):
        Size of each block. Useful only when `attention_type == "block_sparse"`.
    num_random_blocks (`int`, *optional*, defaults to 3):
        Each query is going to attend these many number of random blocks. Useful only when `attention_type ==
        "block_sparse"`.
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
    >>> from generated.quality_gate_big_bird import QualityGateBigBirdConfig, QualityGateBigBirdForCausalLM

    >>> model = QualityGateBigBirdForCausalLM(QualityGateBigBirdConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_big_bird"
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
        kwargs.pop("model_type", None)  # the config of a base checkpoint brings its own
        super().__post_init__(**kwargs)
        check_quality_gate_config(self)


class QualityGateBigBirdGateOutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateBigBirdModelOutputWithPoolingAndCrossAttentions(
    QualityGateBigBirdGateOutput, BaseModelOutputWithPoolingAndCrossAttentions
):
    """The output of the base model with what its gates say."""


class QualityGateBigBirdForPreTrainingOutput(BigBirdForPreTrainingOutput):
    r"""
    loss (*optional*, returned when `labels` is provided, `torch.Tensor` of shape `(1,)`):
        Total loss as the sum of the masked language modeling loss and the next sequence prediction
        (classification) loss.
    prediction_logits (`torch.Tensor` of shape `(batch_size, sequence_length, config.vocab_size)`):
        Prediction scores of the language modeling head (scores for each vocabulary token before SoftMax).
    seq_relationship_logits (`torch.Tensor` of shape `(batch_size, 2)`):
        Prediction scores of the next sequence prediction (classification) head (scores of True/False continuation
        before SoftMax).
    lm_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
        The loss of the head alone, for a language model the language modeling loss; `loss` is the sum of all.
    quality_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with the scores):
        The quality loss, mean over layers, before it is weighted.
    aux_loss (`torch.FloatTensor` of shape `(1,)`, *optional*):
        The load balancing loss where the base has experts.
    quality_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        One tensor of shape `(batch_size, sequence_length, 1)` for every layer: the gates' scores before the sigmoid.
    router_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        The logits of the experts' routers where the base has experts, else `quality_logits`.
    """

    lm_loss: torch.FloatTensor | None = None
    quality_loss: torch.FloatTensor | None = None
    aux_loss: torch.FloatTensor | None = None
    quality_logits: tuple[torch.FloatTensor, ...] | None = None
    router_logits: tuple[torch.FloatTensor, ...] | None = None


@dataclass
class QualityGateBigBirdMaskedLMOutput(QualityGateBigBirdGateOutput, MaskedLMOutput):
    """The output of a model with a head with what its gates say."""


@dataclass
class QualityGateBigBirdCausalLMOutputWithCrossAttentions(
    QualityGateBigBirdGateOutput, CausalLMOutputWithCrossAttentions
):
    """The output of a language model with what its gates say."""


@dataclass
class QualityGateBigBirdSequenceClassifierOutput(QualityGateBigBirdGateOutput, SequenceClassifierOutput):
    """The output of a sequence classifier with what its gates say."""


@dataclass
class QualityGateBigBirdTokenClassifierOutput(QualityGateBigBirdGateOutput, TokenClassifierOutput):
    """The output of a token classifier with what its gates say."""


class QualityGateBigBirdForQuestionAnsweringModelOutput(BigBirdForQuestionAnsweringModelOutput):
    r"""
    loss (`torch.Tensor` of shape `(1,)`, *optional*, returned when `labels` is provided):
        Total span extraction loss is the sum of a Cross-Entropy for the start and end positions.
    pooler_output (`torch.Tensor` of shape `(batch_size, 1)`):
        pooler output from BigBigModel
    lm_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
        The loss of the head alone, for a language model the language modeling loss; `loss` is the sum of all.
    quality_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with the scores):
        The quality loss, mean over layers, before it is weighted.
    aux_loss (`torch.FloatTensor` of shape `(1,)`, *optional*):
        The load balancing loss where the base has experts.
    quality_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        One tensor of shape `(batch_size, sequence_length, 1)` for every layer: the gates' scores before the sigmoid.
    router_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        The logits of the experts' routers where the base has experts, else `quality_logits`.
    """

    lm_loss: torch.FloatTensor | None = None
    quality_loss: torch.FloatTensor | None = None
    aux_loss: torch.FloatTensor | None = None
    quality_logits: tuple[torch.FloatTensor, ...] | None = None
    router_logits: tuple[torch.FloatTensor, ...] | None = None


class QualityGateBigBirdGate(QualityGateLlamaGate):
    pass


class QualityGateBigBirdSelfAttention(BigBirdSelfAttention):
    pass


class QualityGateBigBirdBlockSparseAttention(BigBirdBlockSparseAttention):
    pass


class QualityGateBigBirdOutput(BigBirdOutput):
    def forward(
        self, hidden_states: torch.Tensor, input_tensor: torch.Tensor, good_ratio: torch.Tensor | None = None
    ) -> torch.Tensor:
        hidden_states = self.dense(hidden_states)
        hidden_states = self.dropout(hidden_states)
        if good_ratio is not None:
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states
        hidden_states = self.LayerNorm(hidden_states + input_tensor)
        return hidden_states


class QualityGateBigBirdLayer(BigBirdLayer):
    def __init__(self, config: QualityGateBigBirdConfig, seed=None):
        super().__init__(config, seed)
        self.quality_gate = QualityGateBigBirdGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        hidden_states,
        attention_mask=None,
        encoder_hidden_states=None,
        encoder_attention_mask=None,
        band_mask=None,
        from_mask=None,
        to_mask=None,
        blocked_encoder_mask=None,
        past_key_values=None,
        output_quality_logits: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        # decoder uni-directional self-attention cached key/values tuple is at positions 1,2
        attention_output, _ = self.attention(
            hidden_states,
            attention_mask=attention_mask,
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            past_key_values=past_key_values,
            band_mask=band_mask,
            from_mask=from_mask,
            to_mask=to_mask,
            from_blocked_mask=blocked_encoder_mask,
            to_blocked_mask=blocked_encoder_mask,
            **kwargs,
        )

        if self.is_decoder and encoder_hidden_states is not None:
            if not hasattr(self, "crossattention"):
                raise ValueError(
                    f"If `encoder_hidden_states` are passed, {self} has to be instantiated with                    "
                    " cross-attention layers by setting `config.add_cross_attention=True`"
                )

            attention_output, _ = self.crossattention(
                attention_output,
                attention_mask=encoder_attention_mask,
                encoder_hidden_states=encoder_hidden_states,
                past_key_values=past_key_values,
                **kwargs,
            )

        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(attention_output)
        if self.scale_ffn:
            layer_output = apply_chunking_to_forward(
                self.scaled_feed_forward_chunk,
                self.chunk_size_feed_forward,
                self.seq_len_dim,
                attention_output,
                good_ratio,
            )
        else:
            layer_output = apply_chunking_to_forward(
                self.feed_forward_chunk, self.chunk_size_feed_forward, self.seq_len_dim, attention_output
            )

        return layer_output

    def scaled_feed_forward_chunk(self, attention_output, good_ratio: torch.Tensor):
        intermediate_output = self.intermediate(attention_output)
        layer_output = self.output(intermediate_output, attention_output, good_ratio)
        return layer_output


class QualityGateBigBirdPreTrainedModel(BigBirdPreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "hidden_states": QualityGateBigBirdLayer,
        "attentions": [
            OutputRecorder(QualityGateBigBirdSelfAttention, index=1, layer_name=".attention."),
            OutputRecorder(QualityGateBigBirdBlockSparseAttention, index=1, layer_name=".attention."),
        ],
        "cross_attentions": OutputRecorder(QualityGateBigBirdSelfAttention, index=1, layer_name=".crossattention."),
        "quality_logits": OutputRecorder(QualityGateBigBirdGate, index=0),
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateBigBirdConfig, *inputs, **kwargs):
        check_quality_gate_config(config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), QualityGateBigBirdModel, exist_ok=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)


class QualityGateBigBirdModel(BigBirdModel):
    @returns_quality_scores(QualityGateBigBirdModelOutputWithPoolingAndCrossAttentions)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


class QualityGateBigBirdForPreTraining(BigBirdForPreTraining):
    @returns_quality_scores(QualityGateBigBirdForPreTrainingOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Labels for computing the masked language modeling loss. Indices should be in `[-100, 0, ...,
            config.vocab_size]` (see `input_ids` docstring) Tokens with indices set to `-100` are ignored (masked), the
            loss is only computed for the tokens with labels in `[0, ..., config.vocab_size]`
        next_sentence_label (`torch.LongTensor` of shape `(batch_size,)`, *optional*):
            Labels for computing the next sequence prediction (classification) loss. If specified, nsp loss will be
            added to masked_lm loss. Input should be a sequence pair (see `input_ids` docstring) Indices should be in
            `[0, 1]`:

            - 0 indicates sequence B is a continuation of sequence A,
            - 1 indicates sequence B is a random sequence.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateBigBirdForMaskedLM(BigBirdForMaskedLM):
    @returns_quality_scores(QualityGateBigBirdMaskedLMOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateBigBirdForCausalLM(BigBirdForCausalLM):
    @returns_quality_scores(QualityGateBigBirdCausalLMOutputWithCrossAttentions)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Labels for computing the left-to-right language modeling loss (next word prediction). Indices should be in
            `[-100, 0, ..., config.vocab_size]` (see `input_ids` docstring) Tokens with indices set to `-100` are
            ignored (masked), the loss is only computed for the tokens with labels in `[0, ..., config.vocab_size]`.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateBigBirdForSequenceClassification(BigBirdForSequenceClassification):
    @returns_quality_scores(QualityGateBigBirdSequenceClassifierOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateBigBirdForTokenClassification(BigBirdForTokenClassification):
    @returns_quality_scores(QualityGateBigBirdTokenClassifierOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateBigBirdForQuestionAnswering(BigBirdForQuestionAnswering):
    @returns_quality_scores(QualityGateBigBirdForQuestionAnsweringModelOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        question_lengths (`torch.LongTensor` of shape `(batch_size, 1)`, *optional*):
            The lengths of the questions in the batch.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


__all__ = [
    "QualityGateBigBirdConfig",
    "QualityGateBigBirdPreTrainedModel",
    "QualityGateBigBirdModel",
    "QualityGateBigBirdForPreTraining",
    "QualityGateBigBirdForMaskedLM",
    "QualityGateBigBirdForCausalLM",
    "QualityGateBigBirdForSequenceClassification",
    "QualityGateBigBirdForTokenClassification",
    "QualityGateBigBirdForQuestionAnswering",
    "quality_classification_loss",
]
