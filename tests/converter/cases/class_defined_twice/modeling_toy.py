class ToyMLP:
    size = 0
    depth = 1
