from ...processing_utils import ProcessingKwargs, TextKwargs, VideosKwargs
from ...utils.deprecation import deprecate_attr


class CaseVideoProcessorKwargs(VideosKwargs):
    pass


class CaseProcessorKwargs(ProcessingKwargs):
    pass


class CaseTextKwargs(TextKwargs):
    pass


__getattr__ = deprecate_attr(
    __name__,
    rename={
        "CaseOldProcessorKwargs": (CaseProcessorKwargs, "6.0"),
        "CaseOldVideoProcessorInitKwargs": (CaseVideoProcessorKwargs, "6.0"),
        "CaseOldTextKwargs": (CaseTextKwargs, "6.1"),
    },
)

__all__ = ["CaseProcessorKwargs", "CaseTextKwargs", "CaseVideoProcessorKwargs"]
