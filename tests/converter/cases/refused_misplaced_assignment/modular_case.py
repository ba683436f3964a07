from torch import nn

from ..toy.modeling_toy import ToyMLP


class CaseMLP(ToyMLP):
    def __init__(self, config):
        super().__init__(config)
        width = 2 * config.size
        self.up = nn.Sequential(nn.Linear(width, self.heads), nn.Identity())
        self.scale = 2
        self.down = nn.Sequential(self.down, *[nn.Linear(self.size, size) for size in config.sizes])


__all__ = ["CaseMLP"]
