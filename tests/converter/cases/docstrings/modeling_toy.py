class ToyAttention:
    def forward(self, x):
        """From the parent, about Toy."""
        return x + 1


class ToyMLP:
    """Of the Toy's MLP."""

    size = 1

    def forward(self, x):
        """From the parent."""
        return x + 1


class ToyModel:
    """Of the Toy itself."""
