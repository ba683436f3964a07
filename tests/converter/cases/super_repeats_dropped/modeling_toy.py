class ToyModel:
    def check(self, x):
        if x > 1:
            raise ValueError("too big")
        print(x)
