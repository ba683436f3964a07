from torch import nn


class ToyMLP(nn.Module):
    scale = 1

    def forward(self, x):
        return x * self.scale
