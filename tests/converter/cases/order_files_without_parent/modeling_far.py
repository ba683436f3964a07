def second(x):
    return x


def weigh(x):
    return x


def spread(x):
    return weigh(x)
