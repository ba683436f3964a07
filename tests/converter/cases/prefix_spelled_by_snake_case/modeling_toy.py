class ToyNorm:
    pass


class ToyMLP:
    """Of Toy."""

    norm = ToyNorm
