def scaled(x):
    return x


class ToyModel:
    act = scaled
