LOW_SIZE = 1


class LowModel:
    low = LOW_SIZE
