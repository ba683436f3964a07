class ToyConfig:
    size = 1
