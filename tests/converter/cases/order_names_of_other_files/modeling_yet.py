def beta(x):
    return x


def alpha(x):
    return x


def gamma(x):
    return x
