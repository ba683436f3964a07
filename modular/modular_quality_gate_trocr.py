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
"""TrOCR with a quality gate on the input of every feed-forward network."""

from dataclasses import dataclass

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from torch.nn import CrossEntropyLoss

from generated.quality_gate_llama.configuration_quality_gate_llama import check_quality_gate_config
from generated.quality_gate_llama.modeling_quality_gate_llama import (
    QualityGateLlamaGate,
    QualityGateLlamaOutput,
    load_quality_gates,
    logger,
    quality_classification_loss,
    quality_layers,
    records_quality_scores,
    returns_quality_scores,
    save_quality_gates,
)
from transformers import initialization as init
from transformers.cache_utils import Cache, DynamicCache, EncoderDecoderCache
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions, CausalLMOutputWithCrossAttentions
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto import AutoModel
from transformers.models.trocr.configuration_trocr import TrOCRConfig
from transformers.models.trocr.modeling_trocr import (
    TrOCRDecoder,
    TrOCRDecoderLayer,
    TrOCRForCausalLM,
    TrOCRPreTrainedModel,
)
from transformers.utils import auto_docstring
from transformers.utils.output_capturing import OutputRecorder, capture_outputs


@auto_docstring(checkpoint="microsoft/trocr-base-handwritten")
@strict
class QualityGateTrOCRConfig(TrOCRConfig):
    r"""
    use_learned_position_embeddings (`bool`, *optional*, defaults to `True`):
        Whether or not to use learned position embeddings. If not, sinusoidal position embeddings will be used.
    layernorm_embedding (`bool`, *optional*, defaults to `True`):
        Whether or not to use a layernorm after the word + position embeddings.
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
    >>> from generated.quality_gate_trocr import QualityGateTrOCRConfig, QualityGateTrOCRForCausalLM

    >>> model = QualityGateTrOCRForCausalLM(QualityGateTrOCRConfig(quality_loss_weight=1.0))
    ```"""

    model_type = "quality_gate_trocr"
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


class QualityGateTrOCROutput(QualityGateLlamaOutput):
    pass


@dataclass
class QualityGateTrOCRModelOutputWithPastAndCrossAttentions(
    QualityGateTrOCROutput, BaseModelOutputWithPastAndCrossAttentions
):
    """The output of the base model with what its gates say."""


@dataclass
class QualityGateTrOCRCausalLMOutputWithCrossAttentions(QualityGateTrOCROutput, CausalLMOutputWithCrossAttentions):
    """The output of a language model with what its gates say."""


class QualityGateTrOCRGate(QualityGateLlamaGate):
    pass


class QualityGateTrOCRDecoderLayer(TrOCRDecoderLayer):
    def __init__(self, config: QualityGateTrOCRConfig, layer_idx=None):
        super().__init__(config, layer_idx)
        self.quality_gate = QualityGateTrOCRGate(config)
        self.scale_ffn = config.quality_gate_mode == "scale_ffn"

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        output_attentions: bool | None = False,
        use_cache: bool | None = True,
        output_quality_logits: bool = False,
        **kwargs,
    ):
        """
        Args:
            hidden_states (`torch.Tensor`): input to the layer of shape `(batch, seq_len, embed_dim)`
            attention_mask (`torch.Tensor`): attention mask of size
                `(batch, 1, tgt_len, src_len)` where padding elements are indicated by very large negative values.
            encoder_hidden_states (`torch.Tensor`):
                cross attention input to the layer of shape `(batch, seq_len, embed_dim)`
            encoder_attention_mask (`torch.Tensor`): encoder attention mask of size
                `(batch, 1, tgt_len, src_len)` where padding elements are indicated by very large negative values.
            past_key_values (`Cache`): cached past key and value projection states
            output_attentions (`bool`, *optional*):
                Whether or not to return the attentions tensors of all attention layers. See `attentions` under
                returned tensors for more detail.
        """
        residual = hidden_states

        # Self Attention
        hidden_states, self_attn_weights = self.self_attn(
            hidden_states=hidden_states,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            output_attentions=output_attentions,
        )

        hidden_states = nn.functional.dropout(hidden_states, p=self.dropout, training=self.training)
        hidden_states = residual + hidden_states
        hidden_states = self.self_attn_layer_norm(hidden_states)

        # Cross-Attention Block
        cross_attn_weights = None
        if encoder_hidden_states is not None:
            residual = hidden_states

            hidden_states, cross_attn_weights = self.encoder_attn(
                hidden_states=hidden_states,
                key_value_states=encoder_hidden_states,
                attention_mask=encoder_attention_mask,
                past_key_values=past_key_values,
                output_attentions=output_attentions,
            )

            hidden_states = nn.functional.dropout(hidden_states, p=self.dropout, training=self.training)
            hidden_states = residual + hidden_states
            hidden_states = self.encoder_attn_layer_norm(hidden_states)

        # Fully Connected
        residual = hidden_states
        if output_quality_logits or self.scale_ffn:
            _, good_ratio = self.quality_gate(hidden_states)
        hidden_states = self.activation_fn(self.fc1(hidden_states))
        hidden_states = nn.functional.dropout(hidden_states, p=self.activation_dropout, training=self.training)
        hidden_states = self.fc2(hidden_states)

        hidden_states = nn.functional.dropout(hidden_states, p=self.dropout, training=self.training)
        if self.scale_ffn:
            hidden_states = good_ratio.to(hidden_states.dtype) * hidden_states
        hidden_states = residual + hidden_states
        hidden_states = self.final_layer_norm(hidden_states)

        outputs = (hidden_states,)

        if output_attentions:
            outputs += (self_attn_weights, cross_attn_weights)

        return outputs


class QualityGateTrOCRPreTrainedModel(TrOCRPreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {
        "quality_logits": OutputRecorder(QualityGateTrOCRGate, index=0),
    }
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates

    def __init__(self, config: QualityGateTrOCRConfig, *inputs, **kwargs):
        check_quality_gate_config(config)
        # The heads build their base model with AutoModel; remote code may have loaded the class of the config twice
        AutoModel._model_mapping.register(type(config), QualityGateTrOCRDecoder, exist_ok=True)
        PreTrainedModel.__init__(self, config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        PreTrainedModel._init_weights(self, module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)


class QualityGateTrOCRDecoder(TrOCRDecoder):
    @returns_quality_scores(QualityGateTrOCRModelOutputWithPastAndCrossAttentions)
    @records_quality_scores
    @capture_outputs
    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        encoder_hidden_states=None,
        encoder_attention_mask=None,
        past_key_values=None,
        inputs_embeds=None,
        use_cache=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
        output_quality_logits: bool = False,
        **kwargs,
    ):
        r"""
        Args:
            input_ids (`torch.LongTensor` of shape `(batch_size, sequence_length)`):
                Indices of input sequence tokens in the vocabulary. Padding will be ignored by default should you
                provide it.

                Indices can be obtained using [`AutoTokenizer`]. See [`PreTrainedTokenizer.encode`] and
                [`PreTrainedTokenizer.__call__`] for details.

                [What are input IDs?](../glossary#input-ids)
            attention_mask (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*):
                Mask to avoid performing attention on padding token indices. Mask values selected in `[0, 1]`:

                - 1 for tokens that are **not masked**,
                - 0 for tokens that are **masked**.

                [What are attention masks?](../glossary#attention-mask)
            encoder_hidden_states (`torch.Tensor` of shape `(batch_size, encoder_sequence_length, hidden_size)`, *optional*):
                Sequence of hidden-states at the output of the last layer of the encoder. Used in the cross-attention
                of the decoder.
            encoder_attention_mask (`torch.LongTensor` of shape `(batch_size, encoder_sequence_length)`, *optional*):
                Mask to avoid performing cross-attention on padding tokens indices of encoder input_ids. Mask values
                selected in `[0, 1]`:

                - 1 for tokens that are **not masked**,
                - 0 for tokens that are **masked**.

                [What are attention masks?](../glossary#attention-mask)
            past_key_values (`Cache`, *optional*, returned when `use_cache=True` is passed or when `config.use_cache=True`):
                It is a [`~cache_utils.Cache`] instance. For more details, see our [kv cache guide](https://huggingface.co/docs/transformers/en/kv_cache).

                Contains pre-computed hidden-states (key and values in the self-attention blocks and in the
                cross-attention blocks) that can be used (see `past_key_values` input) to speed up sequential decoding.

                If `past_key_values` are used, the user can optionally input only the last `decoder_input_ids` (those
                that don't have their past key value states given to this model) of shape `(batch_size, 1)` instead of
                all `decoder_input_ids` of shape `(batch_size, sequence_length)`.
            inputs_embeds (`torch.Tensor` of shape `(batch_size, sequence_length, hidden_size)`, *optional*):
                Optionally, instead of passing `input_ids` you can choose to directly pass an embedded representation.
                This is useful if you want more control over how to convert `input_ids` indices into associated vectors
                than the model's internal embedding lookup matrix.
            output_attentions (`bool`, *optional*):
                Whether or not to return the attentions tensors of all attention layers. See `attentions` under
                returned tensors for more detail.
            output_hidden_states (`bool`, *optional*):
                Whether or not to return the hidden states of all layers. See `hidden_states` under returned tensors
                for more detail.
            return_dict (`bool`, *optional*):
                Whether or not to return a [`~utils.ModelOutput`] instead of a plain tuple.
        """
        output_attentions = output_attentions if output_attentions is not None else self.config.output_attentions
        output_hidden_states = (
            output_hidden_states if output_hidden_states is not None else self.config.output_hidden_states
        )
        use_cache = use_cache if use_cache is not None else self.config.use_cache
        return_dict = True  # the decorators make tuples

        # retrieve input_ids and inputs_embeds
        if input_ids is not None and inputs_embeds is not None:
            raise ValueError("You cannot specify both decoder_input_ids and decoder_inputs_embeds at the same time")
        elif input_ids is not None:
            input = input_ids
            input_ids = input_ids.view(-1, input.shape[-1])
        elif inputs_embeds is not None:
            input = inputs_embeds[:, :, -1]
        else:
            raise ValueError("You have to specify either decoder_input_ids or decoder_inputs_embeds")

        if self.gradient_checkpointing and self.training:
            if use_cache:
                logger.warning_once(
                    "`use_cache = True` is incompatible with gradient checkpointing. Setting `use_cache = False`..."
                )
                use_cache = False

        if use_cache and past_key_values is None:
            past_key_values = (
                EncoderDecoderCache(DynamicCache(config=self.config), DynamicCache(config=self.config))
                if encoder_hidden_states is not None or self.config.is_encoder_decoder
                else DynamicCache(config=self.config)
            )

        past_key_values_length = past_key_values.get_seq_length() if past_key_values is not None else 0

        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)

        if self.config.use_learned_position_embeddings:
            embed_pos = self.embed_positions(input, past_key_values_length=past_key_values_length)
        else:
            embed_pos = self.embed_positions(input_ids, past_key_values_length=past_key_values_length)
        embed_pos = embed_pos.to(inputs_embeds.device)

        hidden_states = inputs_embeds + embed_pos

        if self.layernorm_embedding is not None:
            hidden_states = self.layernorm_embedding(hidden_states)

        hidden_states = nn.functional.dropout(hidden_states, p=self.dropout, training=self.training)

        attention_mask = create_causal_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
        )

        # expand encoder attention mask
        if encoder_hidden_states is not None and encoder_attention_mask is not None:
            encoder_attention_mask = create_bidirectional_mask(
                config=self.config,
                inputs_embeds=inputs_embeds,
                attention_mask=encoder_attention_mask,
                encoder_hidden_states=encoder_hidden_states,
            )

        # decoder layers
        all_hidden_states = () if output_hidden_states else None
        all_self_attns = () if output_attentions else None
        all_cross_attentions = () if (output_attentions and encoder_hidden_states is not None) else None

        for idx, decoder_layer in enumerate(self.layers):
            # add LayerDrop (see https://huggingface.co/papers/1909.11556 for description)
            if output_hidden_states:
                all_hidden_states += (hidden_states,)
            if self.training and self.layerdrop > 0.0:
                dropout_probability = torch.rand([])
                if dropout_probability < self.layerdrop:
                    continue

            layer_outputs = decoder_layer(
                hidden_states,
                attention_mask,
                encoder_hidden_states,  # as a positional argument for gradient checkpointing
                encoder_attention_mask=encoder_attention_mask,
                past_key_values=past_key_values,
                output_attentions=output_attentions,
                use_cache=use_cache,
                output_quality_logits=output_quality_logits,
            )
            hidden_states = layer_outputs[0]

            if output_attentions:
                all_self_attns += (layer_outputs[1],)

                if encoder_hidden_states is not None:
                    all_cross_attentions += (layer_outputs[2],)

        # add hidden states from the last decoder layer
        if output_hidden_states:
            all_hidden_states += (hidden_states,)

        if not return_dict:
            return tuple(
                v
                for v in [hidden_states, past_key_values, all_hidden_states, all_self_attns, all_cross_attentions]
                if v is not None
            )
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=hidden_states,
            past_key_values=past_key_values,
            hidden_states=all_hidden_states,
            attentions=all_self_attns,
            cross_attentions=all_cross_attentions,
        )


class QualityGateTrOCRForCausalLM(TrOCRForCausalLM):
    @returns_quality_scores(QualityGateTrOCRCausalLMOutputWithCrossAttentions)
    @auto_docstring
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs,
    ) -> tuple | CausalLMOutputWithCrossAttentions:
        r"""
        labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            Labels for computing the language modeling loss. Indices should either be in `[0, ...,
            config.vocab_size]` or -100 (see `input_ids` docstring). Tokens with indices set to `-100` are ignored
            (masked), the loss is only computed for the tokens with labels in `[0, ..., config.vocab_size]`.

            The labels are **not shifted** inside the model. `labels[..., i]` is the target for `logits[..., i, :]`,
            so for next-token prediction the labels must already be shifted one position to the left relative to
            `input_ids`.

        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""

        output_attentions = output_attentions if output_attentions is not None else self.config.output_attentions
        output_hidden_states = (
            output_hidden_states if output_hidden_states is not None else self.config.output_hidden_states
        )
        return_dict = True  # the decorators make tuples

        # decoder outputs consists of (dec_features, layer_state, dec_hidden, dec_attn)
        outputs = self.model.decoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=return_dict,
            **kwargs,
        )

        logits = self.output_projection(outputs[0])

        loss = None
        if labels is not None:
            loss_fct = CrossEntropyLoss()
            loss = loss_fct(logits.view(-1, self.config.vocab_size), labels.view(-1))

        if not return_dict:
            output = (logits,) + outputs[1:]
            return (loss,) + output if loss is not None else output

        return CausalLMOutputWithCrossAttentions(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            cross_attentions=outputs.cross_attentions,
        )


__all__ = [
    "QualityGateTrOCRConfig",
    "QualityGateTrOCRPreTrainedModel",
    "QualityGateTrOCRDecoder",
    "QualityGateTrOCRForCausalLM",
    "quality_classification_loss",
]
