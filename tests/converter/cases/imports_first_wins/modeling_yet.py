from torch import nn

from ...yet_activations import ACT2FN


class YetModel(nn.Module):
    act = ACT2FN["gelu"]
