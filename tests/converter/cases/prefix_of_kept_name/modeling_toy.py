class ToyNorm:
    pass


class ToyConv:
    depth = 1
    norm = ToyNorm


class ToyModel:
    pass
