"""Which output file a class belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind of generated file: `<name>_<model>.py` holds the classes whose names end in one of `suffixes`."""

    name: str
    suffixes: tuple[str, ...]
    optional_torch: bool = False  # torch may be imported only under its availability guard
    copies: str = ""  # the kind of the file whose definitions it holds copies of, instead of importing them


# Tried in this order at each position of the class name; the leftmost match wins, modeling takes the rest.
FILE_KINDS = (
    FileKind("configuration", ("Config",)),
    FileKind("tokenization", ("Tokenizer",)),
    FileKind("processing", ("Processor", "ProcessorKwargs", "ImagesKwargs", "VideosKwargs", "TextKwargs")),
    FileKind("image_processing", ("ImageProcessor", "ImageProcessorKwargs")),
    FileKind("image_processing_pil", ("ImageProcessorPil",), optional_torch=True, copies="image_processing"),
    FileKind("video_processing", ("VideoProcessor", "VideoProcessorInitKwargs")),
    FileKind("feature_extraction", ("FeatureExtractor",), optional_torch=True),
)
MODELING = FileKind("modeling", ())
CONFIGURATION = "configuration"
VIDEO_PROCESSING = next(kind for kind in FILE_KINDS if kind.name == "video_processing")
OPTIONAL_TORCH = frozenset(kind.name for kind in FILE_KINDS if kind.optional_torch)
_BY_SUFFIX = {suffix: kind for kind in FILE_KINDS for suffix in kind.suffixes}
_SUFFIX = re.compile("|".join(f"{suffix}$" for suffix in _BY_SUFFIX))
_LONGEST_FIRST = sorted((kind.name for kind in (*FILE_KINDS, MODELING)), key=len, reverse=True)
_MODULE = re.compile(rf"(?P<kind>{'|'.join(_LONGEST_FIRST)})_(?P<model>\w+)$")
COPIES = {kind.name: kind.copies for kind in FILE_KINDS if kind.copies}


def kind_of(class_name: str, model_camel: str, derives_from_videos_kwargs: Callable[[], bool]) -> FileKind:
    """The file kind of a class of the model whose CamelCase name is `model_camel`.

    `...VideoProcessorKwargs` could be the arguments of a video processor or of the processor of a model named "...Video":
    what it derives from decides, and is only asked then.
    """
    rest = class_name.replace(model_camel, "")
    if rest.endswith("VideoProcessorKwargs") and derives_from_videos_kwargs():
        return VIDEO_PROCESSING
    match = _SUFFIX.search(rest)
    return _BY_SUFFIX[match.group()] if match else MODELING


def model_of_module(module: str) -> str | None:
    """The model's folder, where `module` is a file of a model that a delta can inherit from."""
    *package, last = module.split(".")
    match = _MODULE.match(last)
    if not package or not match or package[-1] == "auto":
        return None
    in_models_folder = package[-2:-1] == ["models"]
    return package[-1] if in_models_folder or match["model"] == package[-1] else None


def kind_of_module(module: str) -> str:
    """`modeling` of `transformers.models.llama.modeling_llama`."""
    match = _MODULE.match(module.rpartition(".")[2])
    return match["kind"] if match else ""
