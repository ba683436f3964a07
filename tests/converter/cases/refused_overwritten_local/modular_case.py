from torch import nn

from ..toy.modeling_toy import ToyEmbedding


class CaseEmbedding(ToyEmbedding):
    def __init__(self, config, size=None):
        frequencies = config.frequencies
        super().__init__(config, size)
        self.mine = nn.Buffer(frequencies)
        if size is None:
            self.is_default = True


__all__ = ["CaseEmbedding"]
