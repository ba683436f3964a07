from ...processing_utils import ProcessingKwargs, VideosKwargs


class CaseVideoProcessorKwargs(VideosKwargs):
    fps: float


class CaseTextVideoProcessorKwargs(ProcessingKwargs):
    legacy: bool


class CaseVideoProcessor:
    valid_kwargs = CaseVideoProcessorKwargs


class CaseProcessor:
    valid_kwargs = CaseTextVideoProcessorKwargs


__all__ = ["CaseVideoProcessor", "CaseProcessor"]
