from transformers.models.toy.image_processing_toy import ToyImageProcessor, resize
from transformers.models.toy.video_processing_toy import ToyVideoProcessor


class CaseImageProcessor(ToyImageProcessor):
    pass


class CaseVideoProcessor(ToyVideoProcessor):
    def preprocess(self, video):
        return resize(video.size) + 1


__all__ = ["CaseImageProcessor", "CaseVideoProcessor"]
