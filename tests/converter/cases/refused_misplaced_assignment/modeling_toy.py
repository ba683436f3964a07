from torch import nn


class ToyMLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.size = config.size
        self.up = nn.Linear(self.size, self.size)
        self.scale = 1
        if config.scaled:
            self.scale = config.scale
        self.heads = config.heads
        self.down = nn.Linear(self.size, self.size)

    def forward(self, x):
        return self.down(self.up(x)) * self.scale
