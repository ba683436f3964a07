class ToyModel:
    pass
