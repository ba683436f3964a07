from ...image_processing_backends import PilBackend, TorchBackend
from ...processing_utils import ImagesKwargs


LIMITS = {"case": 8}


def smart_size(height: int, width: int) -> int:
    """Shared by both backends."""
    return min(height * width, LIMITS["case"])


class CaseImageProcessorKwargs(ImagesKwargs, total=False):
    patch: int


class CaseImageProcessor(TorchBackend):
    valid_kwargs = CaseImageProcessorKwargs
    size = smart_size


class CaseImageProcessorPil(PilBackend):
    valid_kwargs = CaseImageProcessorKwargs
    resample = SCALE

    def resize(self, image):
        return smart_size(*image.size)


SCALE = 3

__all__ = ["CaseImageProcessor", "CaseImageProcessorPil"]
