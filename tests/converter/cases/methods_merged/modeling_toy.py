class ToyModel:
    def first(self):
        return 1

    # The parent's comment is.
    def second(self, x: int) -> int:
        return 2

    def third(self):
        return 3
