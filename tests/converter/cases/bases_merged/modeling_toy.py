from torch import nn

from ...modeling_utils import PreTrainedModel
from ...other import Named


class ToyPreTrainedModel(PreTrainedModel):
    pass


class ToyModel(Named, ToyPreTrainedModel):
    pass


class ToyLayer(nn.Module):
    pass
