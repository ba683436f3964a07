from torch import nn

from ...activations import ACT2FN, silu
from ...toy_layers import Norm


class ToyModel(nn.Module):
    act = ACT2FN["silu"]
