class ToyVideoProcessor:  # the model is ToyVideo: this is its processor
    pass


class ToyVideoProcessorKwargs:
    pass


class ToyVideoImagesKwargs:
    pass


class ToyVideoVideoProcessor:
    pass


class ToyVideoImageProcessor:
    pass


class ToyVideoImageProcessorPil:
    pass


class ToyVideoFeatureExtractor:
    pass


class ToyVideoTokenizer:
    pass


class ToyVideoTokenizerFast:  # no suffix of any other kind: modeling
    pass


__all__ = [
    "ToyVideoProcessor",
    "ToyVideoProcessorKwargs",
    "ToyVideoImagesKwargs",
    "ToyVideoVideoProcessor",
    "ToyVideoImageProcessor",
    "ToyVideoImageProcessorPil",
    "ToyVideoFeatureExtractor",
    "ToyVideoTokenizer",
    "ToyVideoTokenizerFast",
]
