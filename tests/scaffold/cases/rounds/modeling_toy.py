import torch
from torch import nn

from ...generation import GenerationMixin
from ...modeling_layers import GenericForSequenceClassification, GradientCheckpointingLayer
from ...modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from ...modeling_utils import PreTrainedModel
from ...processing_utils import Unpack
from ...utils import TransformersKwargs, auto_docstring, can_return_tuple
from ...utils.generic import merge_with_config_defaults
from ...utils.output_capturing import capture_outputs
from .configuration_toy import ToyConfig


class ToyMLP(nn.Module):
    pass


class ToyAttention(nn.Module):
    pass


class ToyDecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: ToyConfig, layer_idx: int):
        super().__init__()
        self.self_attn = ToyAttention(config, layer_idx)
        self.mlp = ToyMLP(config)
        self.norm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states: torch.Tensor, **kwargs: Unpack[TransformersKwargs]) -> torch.Tensor:
        hidden_states = hidden_states + self.self_attn(hidden_states, **kwargs)
        residual = hidden_states
        hidden_states = self.norm(hidden_states)
        # a comment that stays
        hidden_states = self.mlp(hidden_states)
        return residual + hidden_states


@auto_docstring
class ToyPreTrainedModel(PreTrainedModel):
    config: ToyConfig
    base_model_prefix = "model"
    _can_record_outputs = {"hidden_states": ToyDecoderLayer, "attentions": ToyAttention}


@auto_docstring
class ToyModel(ToyPreTrainedModel):
    def __init__(self, config: ToyConfig):
        super().__init__(config)
        self.layers = nn.ModuleList([ToyDecoderLayer(config, i) for i in range(config.num_hidden_layers)])

    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(self, input_ids=None, **kwargs: Unpack[TransformersKwargs]) -> BaseModelOutputWithPast:
        hidden_states = self.embed(input_ids)
        start, end = self.config.round_start, self.config.round_end
        for layer in self.layers[:start]:
            hidden_states = layer(hidden_states, **kwargs)
        for index in range(self.config.num_rounds):
            for layer in self.layers[start:end]:
                hidden_states = layer(hidden_states, **kwargs)
        for layer in self.layers[end:]:
            hidden_states = layer(hidden_states, **kwargs)
        return BaseModelOutputWithPast(last_hidden_state=hidden_states)


@auto_docstring
class ToyForCausalLM(ToyPreTrainedModel, GenerationMixin):
    def __init__(self, config: ToyConfig):
        super().__init__(config)
        self.model = ToyModel(config)

    @can_return_tuple
    @auto_docstring
    def forward(self, input_ids=None, labels=None, **kwargs: Unpack[TransformersKwargs]) -> CausalLMOutputWithPast:
        outputs = self.model(input_ids, **kwargs)
        return CausalLMOutputWithPast(logits=self.lm_head(outputs.last_hidden_state))


class ToyForSequenceClassification(GenericForSequenceClassification, ToyPreTrainedModel):
    pass
