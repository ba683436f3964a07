"""Which output file a class belongs to, and which modules a delta can inherit from."""

from __future__ import annotations

import pytest

from converter.kinds import FILE_KINDS, OPTIONAL_TORCH, kind_of, kind_of_module, model_of_module


def never() -> bool:
    raise AssertionError("nothing but a ...VideoProcessorKwargs has to be asked for its bases")


SUFFIXES = [(suffix, kind.name) for kind in FILE_KINDS for suffix in kind.suffixes]


@pytest.mark.parametrize(("suffix", "kind"), SUFFIXES)
def test_every_suffix_has_its_kind(suffix: str, kind: str) -> None:
    assert kind_of(f"Toy{suffix}", "Toy", never).name == kind


@pytest.mark.parametrize(
    ("name", "model", "kind"),
    [
        ("ToyModel", "Toy", "modeling"),
        ("ToyConfigMixin", "Toy", "modeling"),  # only the end counts
        ("ToyTokenizerFast", "Toy", "modeling"),
        ("ToyTextConfig", "Toy", "configuration"),
        ("Sam2VideoProcessor", "Sam2Video", "processing"),
        ("Sam2VideoVideoProcessor", "Sam2Video", "video_processing"),
        ("ToyImageProcessorPil", "Toy", "image_processing_pil"),
        ("ToyImageProcessorKwargs", "Toy", "image_processing"),
        ("ToyVideosKwargs", "Toy", "processing"),
        ("ToyVideoProcessorInitKwargs", "Toy", "video_processing"),
    ],
)
def test_the_end_of_a_name_decides(name: str, model: str, kind: str) -> None:
    assert kind_of(name, model, never).name == kind


def test_arguments_of_a_video_processor_are_told_by_their_base() -> None:
    assert kind_of("ToyVideoProcessorKwargs", "Toy", lambda: True).name == "video_processing"
    assert kind_of("ToyVideoProcessorKwargs", "Toy", lambda: False).name == "processing"


def test_files_that_work_without_torch() -> None:
    assert sorted(OPTIONAL_TORCH) == ["feature_extraction", "image_processing_pil"]


@pytest.mark.parametrize(
    ("module", "model", "kind"),
    [
        ("transformers.models.llama.modeling_llama", "llama", "modeling"),
        ("transformers.models.data2vec.modeling_data2vec_audio", "data2vec", "modeling"),
        ("transformers.models.glm4v.image_processing_pil_glm4v", "glm4v", "image_processing_pil"),
        ("generated.quality_gate_llama.modeling_quality_gate_llama", "quality_gate_llama", "modeling"),
        ("transformers.models.auto.modeling_auto", None, "modeling"),
        ("transformers.models.llama.tokenization_llama", "llama", "tokenization"),
        ("somewhere.else.modeling_utils", None, "modeling"),  # no folder of that name: a helper
        ("transformers.modeling_utils", None, "modeling"),
        ("transformers.utils", None, ""),
        ("modeling_llama", None, ""),
    ],
)
def test_modules_that_can_be_inherited_from(module: str, model: str | None, kind: str) -> None:
    assert model_of_module(module) == model
    if model:
        assert kind_of_module(module) == kind
