class ToyMLP:
    pass


class ToyModel:
    pass
