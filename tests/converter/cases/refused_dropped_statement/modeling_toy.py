from torch import nn


class ToyModel(nn.Module):
    class Settings:
        size = 1

    def forward(self, x):
        return x
