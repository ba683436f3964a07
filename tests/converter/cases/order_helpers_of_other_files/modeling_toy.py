class ToyNorm:
    pass


class ToyModel:
    def __init__(self):
        self.norm = ToyNorm()
