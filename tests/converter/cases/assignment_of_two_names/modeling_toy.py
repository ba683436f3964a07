from torch import nn


LOW, HIGH = 0, 1


class ToyModel(nn.Module):
    def forward(self, x):
        return x.clamp(LOW, HIGH)
