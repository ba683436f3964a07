def turn(x):
    return x


def rotate(x):
    return turn(x)
