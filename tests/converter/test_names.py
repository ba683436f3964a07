"""A model's name in its three spellings, and one model renamed into another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.names import Casing, Rename, Spelling, as_classes_spell, common_suffix
from converter.quirks import foreign_names


SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, database=None)
TABLE = {
    "gpt_oss": "GptOss",
    "xlm-roberta": "XLMRoberta",
    "vit": "ViT",
    "esm": "Esm",
    "esm2": "Esm",
    "kosmos-2.5": "Kosmos2_5",
}
LLAMA_TO_GATE = Rename(Spelling("llama", "Llama"), Spelling("quality_gate_llama", "QualityGateLlama"))


@pytest.mark.parametrize(
    ("snake", "camel"),
    [
        ("gpt_oss", "GptOss"),
        ("xlm_roberta", "XLMRoberta"),  # the table writes it with a hyphen
        ("vit", "ViT"),
        ("quality_gate_llama", "QualityGateLlama"),  # not in the table: each part with a capital
        ("qwen2_5_vl", "Qwen25Vl"),
        ("quality_gate_vit", "QualityGateViT"),  # ours: as the base that it is named after
        ("quality_gate_kosmos2_5", "QualityGateKosmos2_5"),  # whose folder is spelled otherwise than the table has it
        ("kosmos2_5", "Kosmos25"),  # as the reference spells it
    ],
)
def test_a_model_in_camel_case(snake: str, camel: str) -> None:
    assert Casing(TABLE).of_model(snake) == Spelling(snake, camel)


@pytest.mark.parametrize(
    ("camel", "snake"),
    [
        ("XLMRoberta", "xlm_roberta"),
        ("ViT", "vit"),
        ("Esm", "esm"),  # of two models with one spelling, the first
        ("GptOssText", "gpt_oss_text"),  # not in the table: split at its capitals
        ("ViTMae", "vi_t_mae"),
        ("QualityGateViT", "quality_gate_vit"),
    ],
)
def test_a_prefix_in_snake_case(camel: str, snake: str) -> None:
    assert Casing(TABLE).of_prefix(camel).snake == snake


@given(st.sampled_from(sorted(set(TABLE) - {"esm2"})))
@SETTINGS
def test_a_model_of_the_table_survives_there_and_back(model: str) -> None:
    casing = Casing(TABLE)
    spelling = casing.of_model(model.replace("-", "_"))
    assert casing.of_prefix(spelling.camel) == spelling


@pytest.mark.parametrize(
    ("word", "renamed"),
    [
        ("LlamaModel", "QualityGateLlamaModel"),
        ("llama_size", "quality_gate_llama_size"),
        ("LLAMA_SIZE", "QUALITY_GATE_LLAMA_SIZE"),
        ("my_llama", "my_quality_gate_llama"),
        ("LLaMA", "QualityGateLlama"),  # any other mixture of cases
        ("CodeLlama", "CodeLlama"),  # behind a small letter
        ("2llama", "2llama"),  # behind a digit
        ("a llama, two Llamas", "a quality_gate_llama, two QualityGateLlamas"),
        ("TinyLlama", "TinyLlama"),
    ],
)
def test_renaming_one_word(word: str, renamed: str) -> None:
    assert LLAMA_TO_GATE.word(word) == renamed


def test_renaming_from_capitals_looks_at_what_follows() -> None:
    rename = Rename(Spelling("clip", "CLIP"), Spelling("alt_clip", "AltCLIP"))
    assert rename.word("CLIPModel, CLIP_SIZE, CLIP. clip") == "AltCLIPModel, ALT_CLIP_SIZE, ALT_CLIP. alt_clip"


@pytest.mark.parametrize("name", foreign_names("mamba"))
def test_names_of_other_packages_stay(name: str) -> None:
    mamba2 = "mamba2" in name
    rename = Rename(Spelling("mamba2", "Mamba2") if mamba2 else Spelling("mamba", "Mamba"), Spelling("bamba", "Bamba"))
    assert rename.code(f"x = {name} if mamba else Mamba2") == (
        f"x = {name} if mamba else Bamba" if mamba2 else f"x = {name} if bamba else Bamba2"
    )


def test_code_is_renamed_but_for_absolute_imports_and_text_of_f_strings() -> None:
    code = (
        "from llama.ops import llama_scan\n"
        "from ..llama import (\n    llama_scan,\n)\n"
        "def llama():\n"
        "    from llama import (\n        llama_op,  # llama\n    )\n"
        '    return f"llama {llama}", "llama"  # llama\n'
    )
    assert LLAMA_TO_GATE.code(code) == (
        "from llama.ops import llama_scan\n"
        "from ..quality_gate_llama import (\n    quality_gate_llama_scan,\n)\n"
        "def quality_gate_llama():\n"
        "    from llama import (\n        llama_op,  # llama\n    )\n"
        '    return f"llama {quality_gate_llama}", "quality_gate_llama"  # quality_gate_llama\n'
    )


def test_prose_alone_is_renamed() -> None:
    assert LLAMA_TO_GATE.prose('Llama("a Llama")  # Llama') == 'Llama("a QualityGateLlama")  # QualityGateLlama'


@given(st.text(alphabet="abcLXl_ (\"'#\n.1", max_size=40))
@SETTINGS
def test_text_without_the_name_stays(text: str) -> None:
    assert LLAMA_TO_GATE.code(text) == LLAMA_TO_GATE.word(text) == LLAMA_TO_GATE.prose(text) == text


@given(st.lists(st.sampled_from(["Llama", "llama", "LLAMA", "_", "X", " ", "Model", "2"]), max_size=8).map("".join))
@SETTINGS
def test_renaming_forth_and_back(text: str) -> None:
    forth = Rename(Spelling("llama", "Llama"), Spelling("gated_net", "GatedNet"))
    back = Rename(forth.new, forth.old)
    assert back.word(forth.word(text)) == text


@given(st.text("aB", max_size=6), st.text("aB", max_size=6), st.text("aB", max_size=6))
@SETTINGS
def test_the_common_suffix_is_common_and_the_longest(one: str, other: str, end: str) -> None:
    one, other = one + end, other + end
    suffix = common_suffix(one, other)
    assert one.endswith(suffix) and other.endswith(suffix) and suffix.endswith(end)
    assert one[: -len(suffix) or None][-1:] != other[: -len(suffix) or None][-1:] or suffix in (one, other)


@pytest.mark.parametrize(
    ("classes", "camel"),
    [
        (["ExplicitLMQwen3Config", "ExplicitLMQwen3MLP"], "ExplicitLMQwen3"),
        (["ExplicitLmQwen3Config", "ExplicitLMQwen3MLP"], "ExplicitLmQwen3"),  # what was assumed is among them
        (["OtherConfig"], "ExplicitLmQwen3"),
        ([], "ExplicitLmQwen3"),
    ],
)
def test_classes_say_which_letters_of_an_unlisted_model_are_capitals(classes: list[str], camel: str) -> None:
    spelling = Casing(TABLE).of_model("explicit_lm_qwen3")
    assert as_classes_spell(spelling, classes) == Spelling("explicit_lm_qwen3", camel)
