class ToyEncoder:
    pass


class ToyModel:
    pass
