class ToyMLP:
  def __init__(self, config):
    super().__init__()
    self.size = config.size

  def forward(self, x):
    return x
