class ToyMLP:
    def __init__(self, config):
        super().__init__(); self.size = config.size; self.depth = 1
