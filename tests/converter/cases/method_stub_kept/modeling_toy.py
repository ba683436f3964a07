class ToyMLP:
    def first(self):
        return 1

    def second(self):
        return 2


class ToyModel:
    @property
    def second(self):
        return 2
