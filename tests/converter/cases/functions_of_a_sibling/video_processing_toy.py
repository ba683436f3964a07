from .image_processing_toy import resize


class ToyVideoProcessor:
    def preprocess(self, video):
        return resize(video.size)
