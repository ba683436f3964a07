def second(x):
    return x


def apply(x):
    return second(x)
