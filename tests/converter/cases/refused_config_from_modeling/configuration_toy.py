class ToyConfig:
    pass
