class ToyNorm:
    pass


class ToyAttention:
    norm = ToyNorm


class ToyMLP:
    pass


class ToyModel:
    parts = [ToyNorm]
