from torch import nn


class ToyMLP(nn.Module):
    def forward(self, x):
        return x
