import torch


# What a ToyAttention is.
class ToyAttention:
    """Attention of Toy."""

    name = "toy-attention"

    def other(self) -> "ToyAttention":
        return ToyAttention()  # of a Toy
