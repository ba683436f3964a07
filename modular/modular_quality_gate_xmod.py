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
"""X-MOD with a quality gate on the input of every feed-forward network."""

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
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.xmod.configuration_xmod import XmodConfig
from transformers.models.xmod.modeling_xmod import (
    XmodCrossAttention,
    XmodForCausalLM,
    XmodForMaskedLM,
    XmodForQuestionAnswering,
    XmodForSequenceClassification,
    XmodForTokenClassification,
    XmodLayer,
    XmodModel,
    XmodOutput,
    XmodPreTrainedModel,
    XmodSelfAttention,
)
from transformers.processing_utils import Unpack
from transformers.pytorch_utils import apply_chunking_to_forward
from transformers.utils import TransformersKwargs, auto_docstring
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="facebook/xmod-base")
@strict
class QualityGateXmodConfig(XmodConfig):
    r"""
    pre_norm (`bool`, *optional*, defaults to `False`):
        Whether to apply layer normalization before each block.
    adapter_reduction_factor (`int` or `float`, *optional*, defaults to 2):
        The factor by which the dimensionality of the adapter is reduced relative to `hidden_size`.
    adapter_layer_norm (`bool`, *optional*, defaults to `False`):
        Whether to apply a new layer normalization before the adapter modules (shared across all adapters).
    adapter_reuse_layer_norm (`bool`, *optional*, defaults to `True`):
        Whether to reuse the second layer normalization and apply it before the adapter modules as well.
    ln_before_adapter (`bool`, *optional*, defaults to `True`):
        Whether to apply the layer normalization before the residual connection around the adapter module.
    languages (`Iterable[str]`, *optional*, defaults to `["en_XX"]`):
        An iterable of language codes for which adapter modules should be initialized.
    default_language (`str`, *optional*):
        Language code of a default language. It will be assumed that the input is in this language if no language
        codes are explicitly passed to the forward method.
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
    >>> from generated.quality_gate_xmod import QualityGateXmodConfig, QualityGateXmodForCausalLM

    >>> model = QualityGateXmodForCausalLM(QualityGateXmodConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_xmod"
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


class QualityGateXmodGateOutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateXmodModelOutputWithPoolingAndCrossAttentions(
    QualityGateXmodGateOutput, BaseModelOutputWithPoolingAndCrossAttentions
):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateXmodCausalLMOutputWithCrossAttentions(QualityGateXmodGateOutput, CausalLMOutputWithCrossAttentions):
    """The output of a language model with what its gates say."""


@dataclass
class QualityGateXmodMaskedLMOutput(QualityGateXmodGateOutput, MaskedLMOutput):
    """The output of a model with a head with what its gates say."""


@dataclass
class QualityGateXmodSequenceClassifierOutput(QualityGateXmodGateOutput, SequenceClassifierOutput):
    """The output of a sequence classifier with what its gates say."""


@dataclass
class QualityGateXmodTokenClassifierOutput(QualityGateXmodGateOutput, TokenClassifierOutput):
    """The output of a token classifier with what its gates say."""


@dataclass
class QualityGateXmodQuestionAnsweringModelOutput(QualityGateXmodGateOutput, QuestionAnsweringModelOutput):
    """The output of a question answering model with what its gates say."""


class QualityGateXmodGate(QualityGateLlamaGate):
    pass


class QualityGateXmodSelfAttention(XmodSelfAttention):
    pass


class QualityGateXmodCrossAttention(XmodCrossAttention):
    pass


class QualityGateXmodOutput(XmodOutput):
    def forward(
        self,
        hidden_states: torch.Tensor,
        input_tensor: torch.Tensor,
        lang_ids: torch.Tensor,
        good_ratio: torch.Tensor | None = None,
    ) -> torch.Tensor:
        hidden_states = self.dense(hidden_states)
        hidden_states = self.dropout(hidden_states)
        if good_ratio is not None:
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states
        hidden_states = hidden_states + input_tensor
        hidden_states = self.lang_adapter(lang_ids, hidden_states)
        return hidden_states


class QualityGateXmodLayer(XmodLayer):
    def __init__(self, config: QualityGateXmodConfig, layer_idx=None):
        super().__init__(config, layer_idx)
        self.quality_gate = QualityGateXmodGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        hidden_states: torch.Tensor,
        lang_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: tuple[tuple[torch.Tensor]] | None = None,
        output_quality_logits: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        self_attention_output, _ = self.attention(
            hidden_states,
            attention_mask,
            past_key_values=past_key_values,
            **kwargs,
        )
        attention_output = self_attention_output

        if self.is_decoder and encoder_hidden_states is not None:
            if not hasattr(self, "crossattention"):
                raise ValueError(
                    f"If `encoder_hidden_states` are passed, {self} has to be instantiated with cross-attention layers"
                    " by setting `config.add_cross_attention=True`"
                )

            cross_attention_output, _ = self.crossattention(
                attention_output,
                None,  # attention_mask
                encoder_hidden_states,
                encoder_attention_mask,
                past_key_values=past_key_values,
                **kwargs,
            )
            attention_output = cross_attention_output

        residual = attention_output
        if self.pre_norm:
            attention_output = self.output.LayerNorm(attention_output)
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(attention_output)
        intermediate_output = apply_chunking_to_forward(
            self.feed_forward_chunk,
            self.chunk_size_feed_forward,
            self.seq_len_dim,
            attention_output,
        )
        layer_output = self.output(intermediate_output, residual, lang_ids, good_ratio if self.scale_ffn else None)
        if not self.pre_norm:
            layer_output = self.output.LayerNorm(layer_output)

        return layer_output


class QualityGateXmodPreTrainedModel(XmodPreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "hidden_states": QualityGateXmodLayer,
        "attentions": QualityGateXmodSelfAttention,
        "cross_attentions": QualityGateXmodCrossAttention,
        "quality_logits": OutputRecorder(QualityGateXmodGate, index=0),
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateXmodConfig, *inputs, **kwargs):
        check_quality_gate_config(config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), QualityGateXmodModel, exist_ok=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)


class QualityGateXmodModel(XmodModel):
    @returns_quality_scores(QualityGateXmodModelOutputWithPoolingAndCrossAttentions)
    @records_quality_scores
    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        return super().forward(**super_kwargs)


class QualityGateXmodForCausalLM(XmodForCausalLM):
    @returns_quality_scores(QualityGateXmodCausalLMOutputWithCrossAttentions)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        lang_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Indices of the language adapters that should be activated for each sample, respectively. Default: the index
            that corresponds to `self.config.default_language`.
        labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Labels for computing the left-to-right language modeling loss (next word prediction). Indices should be in
            `[-100, 0, ..., config.vocab_size]` (see `input_ids` docstring) Tokens with indices set to `-100` are
            ignored (masked), the loss is only computed for the tokens with labels in `[0, ..., config.vocab_size]`

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateXmodForMaskedLM(XmodForMaskedLM):
    @returns_quality_scores(QualityGateXmodMaskedLMOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        lang_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Indices of the language adapters that should be activated for each sample, respectively. Default: the index
            that corresponds to `self.config.default_language`.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateXmodForSequenceClassification(XmodForSequenceClassification):
    @returns_quality_scores(QualityGateXmodSequenceClassifierOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        lang_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Indices of the language adapters that should be activated for each sample, respectively. Default: the index
            that corresponds to `self.config.default_language`.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateXmodForTokenClassification(XmodForTokenClassification):
    @returns_quality_scores(QualityGateXmodTokenClassifierOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        lang_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Indices of the language adapters that should be activated for each sample, respectively. Default: the index
            that corresponds to `self.config.default_language`.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


class QualityGateXmodForQuestionAnswering(XmodForQuestionAnswering):
    @returns_quality_scores(QualityGateXmodQuestionAnsweringModelOutput)
    @auto_docstring
    def forward(self, **super_kwargs: Unpack[TransformersKwargs]):
        r"""
        lang_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Indices of the language adapters that should be activated for each sample, respectively. Default: the index
            that corresponds to `self.config.default_language`.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
        return super().forward(**super_kwargs)


__all__ = [
    "QualityGateXmodConfig",
    "QualityGateXmodPreTrainedModel",
    "QualityGateXmodModel",
    "QualityGateXmodForCausalLM",
    "QualityGateXmodForMaskedLM",
    "QualityGateXmodForSequenceClassification",
    "QualityGateXmodForTokenClassification",
    "QualityGateXmodForQuestionAnswering",
    "quality_classification_loss",
]
