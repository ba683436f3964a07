class ToyNorm:
    pass


class ToyTextNorm:
    pass


class ToyVisionLayer:
    norms = [ToyNorm, ToyTextNorm]
