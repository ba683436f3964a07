def rotate_half(x):
    return x


class ToyModel:
    pass
