from torch import nn


class ToyLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.size = config.size
