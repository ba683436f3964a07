class ToyModel:
    def __init__(self, config):
        self.size = config.size

    def reset(self):
        self.size = 0
