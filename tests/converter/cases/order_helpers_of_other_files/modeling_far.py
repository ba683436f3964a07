SIZES = (1, 2)


class FarIdle:
    pass


def add_scores(x):
    return FarIdle() if x in SIZES else weigh(x)


def weigh(x):
    return x
