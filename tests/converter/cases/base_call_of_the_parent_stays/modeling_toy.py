from ...modeling_utils import PreTrainedModel


class ToyPreTrainedModel(PreTrainedModel):
    def _init_weights(self, module):
        PreTrainedModel._init_weights(self, module)
        module.zero = 0
