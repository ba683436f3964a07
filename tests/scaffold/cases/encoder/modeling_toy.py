import torch
from torch import nn

from ...generation import GenerationMixin
from ...modeling_outputs import BaseModelOutputWithPooling, CausalLMOutputWithPast
from ...modeling_utils import PreTrainedModel
from ...pytorch_utils import apply_chunking_to_forward
from ...utils import auto_docstring, can_return_tuple
from ...utils.output_capturing import capture_outputs
from .configuration_toy import ToyConfig


class ToyIntermediate(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.LayerNorm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states):
        hidden_states = self.LayerNorm(hidden_states)
        return self.dense(hidden_states)


class ToyOutput(nn.Module):
    def forward(self, hidden_states, input_tensor):
        hidden_states = self.dense(hidden_states)
        return hidden_states + input_tensor


class ToyLayer(nn.Module):
    def __init__(self, config, layer_idx=None):
        super().__init__()
        self.attention = ToyAttention(config)
        self.intermediate = ToyIntermediate(config)
        self.output = ToyOutput(config)

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        attention_output = self.attention(hidden_states, attention_mask, **kwargs)
        layer_output = apply_chunking_to_forward(self.feed_forward_chunk, self.size, self.dim, attention_output)
        return layer_output

    def feed_forward_chunk(self, attention_output):
        return self.output(self.intermediate(attention_output), attention_output)


class ToyEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = nn.ModuleList([ToyLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, hidden_states, attention_mask=None):
        for layer_module in self.layer:
            hidden_states = layer_module(hidden_states, attention_mask)
        return hidden_states


class ToyPreTrainedModel(PreTrainedModel):
    config: ToyConfig
    base_model_prefix = "bert"
    _can_record_outputs = {"hidden_states": ToyLayer}


class ToyModel(ToyPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.encoder = ToyEncoder(config)

    @capture_outputs
    @auto_docstring
    def forward(self, input_ids=None, attention_mask=None, **kwargs) -> BaseModelOutputWithPooling:
        hidden_states = self.encoder(self.embed(input_ids), attention_mask)
        return BaseModelOutputWithPooling(last_hidden_state=hidden_states)


class ToyForCausalLM(ToyPreTrainedModel, GenerationMixin):
    def __init__(self, config):
        super().__init__(config)
        self.bert = ToyModel(config)

    @can_return_tuple
    @auto_docstring
    def forward(self, input_ids=None, **kwargs) -> CausalLMOutputWithPast:
        return CausalLMOutputWithPast(logits=self.bert(input_ids, **kwargs).last_hidden_state)


class ToyForMultipleChoice(ToyPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.bert = ToyModel(config)

    def forward(self, input_ids=None, **kwargs) -> CausalLMOutputWithPast:
        return CausalLMOutputWithPast(logits=self.bert(input_ids, **kwargs).last_hidden_state)
