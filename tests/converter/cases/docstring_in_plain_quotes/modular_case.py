from ..toy.modeling_toy import ToyVideoProcessor


class CaseVideoProcessor(ToyVideoProcessor):
    def preprocess(self, videos):
        return videos + 1

    def resize(self, videos):
        return videos + 1

    def crop(self, videos):
        "From the delta."
        return videos + 1

    def __init__(self, size):
        super().__init__(size)
        self.crop = size


__all__ = ["CaseVideoProcessor"]
