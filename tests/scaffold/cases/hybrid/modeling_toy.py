import torch
from torch import nn

from ...generation import GenerationMixin
from ...modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast
from ...modeling_utils import PreTrainedModel
from ...processing_utils import Unpack
from ...utils import TransformersKwargs, auto_docstring, can_return_tuple
from ...utils.generic import merge_with_config_defaults
from ...utils.output_capturing import OutputRecorder, capture_outputs
from .configuration_toy import ToyConfig


class ToyRouter(nn.Module):
    pass


class ToyGate(nn.Module):
    pass


class ToyMambaLayer(nn.Module):
    def __init__(self, config: ToyConfig, layer_idx: int):
        super().__init__()
        self.mamba = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, **kwargs):
        return hidden_states + self.mamba(self.norm(hidden_states))


class ToyAttentionLayer(nn.Module):
    def __init__(self, config: ToyConfig, layer_idx: int):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(config.hidden_size, 1)
        self.moe = ToyExperts(config)
        self.norm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, **kwargs):
        hidden_states = hidden_states + self.self_attn(hidden_states)
        residual = hidden_states
        hidden_states, _ = self.moe(self.norm(hidden_states))
        hidden_states = residual + hidden_states
        return hidden_states


LAYERS = {"mamba": ToyMambaLayer, "attention": ToyAttentionLayer}


class ToyPreTrainedModel(PreTrainedModel):
    config: ToyConfig
    base_model_prefix = "model"
    _keep_in_fp32_modules = ["norm"]
    _can_record_outputs = {"router_logits": OutputRecorder(ToyRouter, index=0), "hidden_states": ToyAttentionLayer}


class ToyModel(ToyPreTrainedModel):
    def __init__(self, config: ToyConfig):
        super().__init__(config)
        self.layers = nn.ModuleList([LAYERS[each](config, i) for i, each in enumerate(config.layer_types)])

    @merge_with_config_defaults
    @capture_outputs
    def forward(self, input_ids=None, **kwargs: Unpack[TransformersKwargs]) -> MoeModelOutputWithPast:
        hidden_states = self.embed(input_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states, **kwargs)
        return MoeModelOutputWithPast(last_hidden_state=hidden_states)


class ToyForCausalLM(ToyPreTrainedModel, GenerationMixin):
    def __init__(self, config: ToyConfig):
        super().__init__(config)
        self.model = ToyModel(config)
        self.aux_coef = config.aux_coef

    @can_return_tuple
    @auto_docstring
    def forward(self, input_ids=None, output_router_logits=None, **kwargs: Unpack[TransformersKwargs]):
        r"""
        labels (`torch.Tensor`, *optional*):
            The next tokens.
        """
        outputs = self.model(input_ids, output_router_logits=output_router_logits, **kwargs)
        aux_loss = load_balancing_loss_func(outputs.router_logits)
        loss = 0
        loss += self.aux_coef * aux_loss
        return MoeCausalLMOutputWithPast(loss=loss, aux_loss=aux_loss, logits=outputs.last_hidden_state)
