def scaled(x):
    return x


class ToyNorm:
    eps = 1


class ToyModel:
    parts = [ToyNorm, scaled]
