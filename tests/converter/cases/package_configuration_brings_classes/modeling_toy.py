from torch import nn

from .configuration_toy import ToyConfig


class ToyModel(nn.Module):
    def __init__(self, config: ToyConfig):
        super().__init__()
        self.size = config.size
