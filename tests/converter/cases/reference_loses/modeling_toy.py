class ToyModel:
    def forward(self, x):
        return x
