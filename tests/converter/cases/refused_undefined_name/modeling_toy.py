import torch


class ToyLayer:
    def forward(self, x):
        return torch.exp(x)
