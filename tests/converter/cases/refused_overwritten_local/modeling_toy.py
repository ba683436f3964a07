from torch import nn


class ToyEmbedding(nn.Module):
    def __init__(self, config, size=None):
        super().__init__()
        size = size or config.size
        frequencies = 1.0 / size
        self.frequencies = nn.Buffer(frequencies)

    def forward(self, x):
        return x * self.frequencies
