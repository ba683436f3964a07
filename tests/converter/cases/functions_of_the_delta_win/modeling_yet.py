def helper(pi, x):
    return pi + x
