class ToyVideoProcessor:
    def preprocess(self, videos):
        "From the parent."
        return videos

    def resize(self, videos):
        r"""From the parent, about Toy."""
        return videos

    def crop(self, videos):
        "From the parent."
        return videos

    def __init__(self, size):
        "From the parent."
        self.size = size
