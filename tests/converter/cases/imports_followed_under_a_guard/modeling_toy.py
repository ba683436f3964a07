class ToyMLP:
    size = 1


def helper(x):
    return x
