from ...modeling_utils import PreTrainedModel
from ..toy.modeling_toy import ToyPreTrainedModel


class CasePreTrainedModel(ToyPreTrainedModel):
    def _init_weights(self, module):
        super()._init_weights(module)
        module.one = 1


class CaseTextPreTrainedModel(ToyPreTrainedModel):
    def _init_weights(self, module):
        PreTrainedModel._init_weights(self, module)
        module.one = 1


__all__ = ["CasePreTrainedModel"]
