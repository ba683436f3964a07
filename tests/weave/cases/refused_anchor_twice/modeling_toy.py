import torch
from torch import nn

from ...activations import ACT2FN
from ...generation import GenerationMixin
from ...modeling_layers import GenericForSequenceClassification, GradientCheckpointingLayer
from ...modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from ...modeling_utils import PreTrainedModel
from ...processing_utils import Unpack
from ...utils import TransformersKwargs, auto_docstring, can_return_tuple
from ...utils.generic import merge_with_config_defaults
from ...utils.output_capturing import capture_outputs
from .configuration_toy import ToyConfig


def rotate_half(x):
    return -x


class ToyNorm(nn.Module):
    def forward(self, x):
        return x


class ToyMLP(nn.Module):
    """Two maps and what is between them."""

    def __init__(self, config):
        super().__init__()
        self.up_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, x):
        return self.act_fn(self.up_proj(x))


class ToyAttention(nn.Module):
    def __init__(self, config: ToyConfig, layer_idx: int):
        super().__init__()
        self.layer_idx = layer_idx

    def forward(self, hidden_states, **kwargs):
        return rotate_half(hidden_states)


class ToyDecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: ToyConfig, layer_idx: int):
        super().__init__()
        self.layer_idx = layer_idx
        self.self_attn = ToyAttention(config, layer_idx)
        self.mlp = ToyMLP(config)
        self.norm = ToyNorm()

    def forward(self, hidden_states: torch.Tensor, **kwargs: Unpack[TransformersKwargs]) -> torch.Tensor:
        hidden_states = hidden_states + self.self_attn(hidden_states, **kwargs)
        residual = hidden_states
        hidden_states = self.norm(hidden_states)
        # a comment that stays
        hidden_states = self.mlp(hidden_states)
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
        self.norm = ToyNorm()

    @merge_with_config_defaults
    @capture_outputs
    @auto_docstring
    def forward(self, input_ids=None, **kwargs: Unpack[TransformersKwargs]) -> BaseModelOutputWithPast:
        hidden_states = self.embed(input_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states, **kwargs)
        return BaseModelOutputWithPast(last_hidden_state=self.norm(hidden_states))


@auto_docstring
class ToyForCausalLM(ToyPreTrainedModel, GenerationMixin):
    def __init__(self, config: ToyConfig):
        super().__init__(config)
        self.model = ToyModel(config)
        self.lm_head = nn.Linear(config.hidden_size, 8)

    @can_return_tuple
    @auto_docstring
    def forward(self, input_ids=None, labels=None, **kwargs: Unpack[TransformersKwargs]) -> CausalLMOutputWithPast:
        outputs = self.model(input_ids, **kwargs)
        return CausalLMOutputWithPast(logits=self.lm_head(outputs.last_hidden_state))


class ToyForSequenceClassification(GenericForSequenceClassification, ToyPreTrainedModel):
    pass


__all__ = ["ToyForCausalLM", "ToyForSequenceClassification", "ToyModel", "ToyPreTrainedModel"]
