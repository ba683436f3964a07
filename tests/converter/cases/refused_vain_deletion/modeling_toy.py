class ToyModel:
    def __init__(self, config):
        self.size = config.size
        self.parts = [1, 2]
