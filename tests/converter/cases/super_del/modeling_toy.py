class ToyModel:
    def __init__(self, config):
        self.size = 1  # goes
        self.width = 2
        depth = 3  # goes, too
