class ToyModel:
    def __init__(self, config):
        # the parent's comment goes with its line
        self.size = 1
        self.depth = 2
        a = b = 3
        self.size = self.size + 1
        if config:
            self.inner = 3
