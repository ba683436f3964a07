import torch
from torch import nn

from ...generation import GenerationMixin
from ...modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from ...modeling_utils import PreTrainedModel
from ...utils import auto_docstring
from .configuration_toy import ToyConfig


def add_dropped(hidden_states, residual, probability):
    return residual + nn.functional.dropout(hidden_states, probability)


class ToyBlock(nn.Module):
    def __init__(self, config, layer_idx=None):
        super().__init__()
        self.attn = ToyAttention(config)
        self.feed_forward = ToyFeedForward(config)
        self.ln_2 = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, attention_mask=None, output_attentions=False):
        hidden_states, weights = self.attn(hidden_states, attention_mask)
        output = self.feed_forward(self.ln_2(hidden_states))
        return add_dropped(output, hidden_states, 0.1), weights


class ToyPreTrainedModel(PreTrainedModel):
    config: ToyConfig
    base_model_prefix = "toy"

    def _init_weights(self, module):
        super()._init_weights(module)


@auto_docstring
class ToyModel(ToyPreTrainedModel):
    def __init__(self, config: ToyConfig):
        super().__init__(config)
        self.h = nn.ModuleList([ToyBlock(config, layer_idx=i) for i in range(config.num_hidden_layers)])

    @auto_docstring
    def forward(self, input_ids=None, attention_mask=None, output_attentions=None, return_dict=None):
        return_dict = return_dict if return_dict is not None else self.config.return_dict
        hidden_states, weights = self.embed(input_ids), ()
        for block in self.h:
            outputs = block(hidden_states, attention_mask, output_attentions=output_attentions)
            hidden_states, weights = outputs[0], (*weights, outputs[1])
        if not return_dict:
            return hidden_states, weights
        return BaseModelOutputWithPast(last_hidden_state=hidden_states, attentions=weights)


class ToyForCausalLM(ToyPreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "toy.wte.weight"}

    def __init__(self, config: ToyConfig):
        super().__init__(config)
        self.toy = ToyModel(config)

    @auto_docstring
    def forward(self, input_ids=None, labels=None, return_dict=None) -> CausalLMOutputWithPast:
        outputs = self.toy(input_ids, return_dict=return_dict)
        return CausalLMOutputWithPast(logits=self.lm_head(outputs[0]))
