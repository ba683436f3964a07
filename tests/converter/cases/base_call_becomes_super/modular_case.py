from torch import nn

from ...modeling_utils import PreTrainedModel
from ..toy.modeling_toy import ToyLayer, ToyModel, ToyPreTrainedModel


class CasePreTrainedModel(ToyPreTrainedModel):
    def _init_weights(self, module):
        PreTrainedModel._init_weights(self, module)


class CaseLayer(ToyLayer):
    def __init__(self):
        nn.Module.__init__(self)
        self.size = 1


class CaseModel(ToyModel):
    def __init__(self, config):
        CasePreTrainedModel.__init__(self, config)

    @classmethod
    def make(cls, config):
        return CasePreTrainedModel.make(config)


__all__ = ["CaseModel"]
