TOY_SIZES = {"toy-small": 1, "ToY": 2, "notoy": 3, "2toy": 4, "a_toy": 5}


def toy_size(name):
    """Size of a Toy; toys and TOYs, too."""
    return f"toy {TOY_SIZES[name]} {f'{toy_size}'}"  # a toy


class ToyModel:
    sizes = dict(toy_size=toy_size, protoy=1, ToyToy=2, __toy__=3)
