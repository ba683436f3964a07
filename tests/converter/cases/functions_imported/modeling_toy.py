def rounded(x):
    return x


def scaled(x):
    return x


class ToyModel:
    act = [scaled, rounded]
