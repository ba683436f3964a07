def for_layer(x):
    return x


def for_model(x):
    return for_mlp(x)


def for_mlp(x):
    return x


class ToyAttention:
    pass


class ToyMLP:
    act = for_mlp


class ToyLayer:
    act = for_layer

    def parts(self):
        return [ToyAttention, ToyMLP]


class ToyHead:
    scale = for_layer


class ToyModel:
    act = for_model
    layer = ToyLayer
