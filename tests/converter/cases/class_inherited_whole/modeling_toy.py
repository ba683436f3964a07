from torch import nn


# The parent's comment is.
@nn.decorate
class ToyModel(nn.Module):  # so is this one
    """Toy in a box."""

    size: int = 1

    # and this one
    def forward(self, x):
        return x

    # and the last
