"""Lines put into the files that all models share."""

from __future__ import annotations

from pull_request.edits import (
    config_fields,
    conversions,
    docstring_configs,
    mappings,
    models_init,
    repo_lists,
    toctree,
)
from pull_request.edits.ordering import natural


INIT = """\
if TYPE_CHECKING:
    from .bert import *
    from .layoutlmv3 import *
    from .layoutlmv10 import *
    from .zoo import *
else:
    import sys
"""


def test_a_folder_is_listed_in_natural_order() -> None:
    edited = models_init.add_model(INIT, "layoutlmv9")
    assert edited.splitlines()[2:5] == [
        "    from .layoutlmv3 import *",
        "    from .layoutlmv9 import *",
        "    from .layoutlmv10 import *",
    ]
    assert models_init.add_model(edited, "layoutlmv9") == edited


def test_the_last_folder_is_listed_last() -> None:
    assert models_init.add_model(INIT, "zzz").splitlines()[5] == "    from .zzz import *"


def test_digits_compare_as_numbers() -> None:
    assert sorted(["a10", "a9", "a", "b"], key=natural) == ["a", "a9", "a10", "b"]


MAPPINGS = """\
from collections import OrderedDict


CONFIG_MAPPING_NAMES = OrderedDict(
    [
        # Base models
        ("bert-generation", "BertGenerationConfig"),
        (
            "layoutlmv10",
            "ALongName",
        ),
        ("layoutlmv3", "LayoutLMv3Config"),
    ]
)

MODEL_FOR_X_MAPPING_NAMES = OrderedDict(
    [
        *list(OTHER.items()),
        ("funnel", ("FunnelModel", "FunnelBaseModel")),
        ("zoo", "Zoo"),
    ]
)
"""


def test_entries_sort_as_strings() -> None:
    edited = mappings.add_entries(MAPPINGS, [("CONFIG_MAPPING_NAMES", "layoutlmv2", "New")])
    lines = edited.splitlines()
    assert lines[lines.index('        ("layoutlmv2", "New"),') + 1] == '        ("layoutlmv3", "LayoutLMv3Config"),'
    assert mappings.add_entries(edited, [("CONFIG_MAPPING_NAMES", "layoutlmv2", "New")]) == edited


def test_entries_of_several_lines_are_found_by_their_key() -> None:
    table = mappings.read_tables(MAPPINGS)["CONFIG_MAPPING_NAMES"]
    assert [entry.key for entry in table.entries] == ["bert-generation", "layoutlmv10", "layoutlmv3"]
    assert table.values["layoutlmv10"] == "ALongName"
    assert '("layoutlmv1", "New"),\n        (\n            "layoutlmv10",' in mappings.add_entries(
        MAPPINGS, [("CONFIG_MAPPING_NAMES", "layoutlmv1", "New")]
    )


def test_an_entry_goes_behind_all_others_and_into_its_own_table() -> None:
    edited = mappings.add_entries(MAPPINGS, [("CONFIG_MAPPING_NAMES", "zzz", "Last")])
    assert edited.index('("zzz", "Last")') < edited.index("MODEL_FOR_X")
    assert edited.count("zzz") == 1


def test_an_entry_that_is_too_long_takes_lines_of_its_own() -> None:
    edited = mappings.add_entries(MAPPINGS, [("MODEL_FOR_X_MAPPING_NAMES", "m" * 60, "M" * 60)])
    assert f'        (\n            "{"m" * 60}",\n            "{"M" * 60}",\n        ),\n' in edited


def test_a_table_that_is_not_there_changes_nothing() -> None:
    assert mappings.add_entries(MAPPINGS, [("NO_SUCH_TABLE", "a", "A")]) == MAPPINGS


TOCTREE = """\
- sections:
  - local: model_doc/auto
    title: Auto Classes
  - sections:
    - sections:
      - local: model_doc/llama
        title: Llama
      - local: model_doc/qwen3
        title: Qwen3
      title: Text models
    - sections:
      - local: model_doc/llava
        title: LLaVA
      - isExpanded: false
        sections:
          - local: model_doc/deep
            title: Deep
        title: More
      - local: model_doc/gemma3
        title: Gemma3
      title: Multimodal models
  title: API
"""


def test_a_page_goes_into_the_section_of_its_base_by_title() -> None:
    edited = toctree.add_page(TOCTREE, "quality_gate_llama", "QualityGateLlama", "llama")
    assert (
        "        title: Llama\n      - local: model_doc/quality_gate_llama\n        title: QualityGateLlama\n"
        "      - local: model_doc/qwen3\n" in edited
    )
    assert toctree.add_page(edited, "quality_gate_llama", "QualityGateLlama", "llama") == edited


def test_a_page_goes_last_where_its_title_does() -> None:
    edited = toctree.add_page(TOCTREE, "zoo", "Zoo", "gemma3")
    assert "        title: Gemma3\n      - local: model_doc/zoo\n        title: Zoo\n      title: Multimodal" in edited


def test_a_page_without_a_known_base_is_a_text_model() -> None:
    edited = toctree.add_page(TOCTREE, "new", "New", "nobody")
    assert edited.index("model_doc/llama\n") < edited.index("model_doc/new") < edited.index("model_doc/qwen3")


CONVERSIONS = """\
_MODEL_TO_CONVERSION_PATTERN = {
    "gemma3": "llava",
    "qwen3_moe": "qwen2_moe",
    # class-based mappings
    "Gemma3Model": "LlavaModel",
}


def _build_checkpoint_conversion_mapping():
    mapping = {
        "llava": [],
        "mixtral": [],
    }
    mapping["own"] = []
    return mapping
"""


def test_names_of_weights_are_those_of_the_base() -> None:
    renamed = {"gemma3": "quality_gate_gemma3", "Gemma3Model": "QualityGateGemma3Model", "llama": "quality_gate_llama"}
    edited = conversions.add_conversions(CONVERSIONS, renamed)
    assert '    "gemma3": "llava",\n    "quality_gate_gemma3": "llava",\n' in edited
    assert '    "Gemma3Model": "LlavaModel",\n    "QualityGateGemma3Model": "LlavaModel",\n}' in edited
    assert "quality_gate_llama" not in edited
    assert conversions.add_conversions(edited, renamed) == edited


def test_a_base_with_names_of_its_own_is_named_itself() -> None:
    renamed = {"mixtral": "quality_gate_mixtral", "own": "quality_gate_own"}
    edited = conversions.add_conversions(CONVERSIONS, renamed)
    assert '    "quality_gate_mixtral": "mixtral",\n    "quality_gate_own": "own",\n}' in edited


def test_names_that_the_builder_gives_a_base_come_before_those_of_the_table() -> None:
    extended = CONVERSIONS.replace('mapping["own"] = []', 'mapping["qwen3_moe"] = mapping["qwen2_moe"] + []')
    assert extended != CONVERSIONS
    renamed = {"qwen3_moe": "quality_gate_qwen3_moe"}
    edited = conversions.add_conversions(extended, renamed)
    assert '    "qwen3_moe": "qwen2_moe",\n    "quality_gate_qwen3_moe": "qwen3_moe",\n' in edited
    shared = conversions.add_conversions(CONVERSIONS, renamed)
    assert '    "quality_gate_qwen3_moe": "qwen2_moe",\n' in shared


EXCEPTIONS = """\
SPECIAL_CASES_TO_ALLOW = {
    "xLSTMConfig": ["add_out_norm"],
    "ToyConfig": [
        "theirs",
    ],
    "FreeConfig": True,
}
"""


def test_exceptions_of_a_base_hold_for_its_gated_model() -> None:
    edited = config_fields.allow_fields(EXCEPTIONS, {"GatedToyConfig": ["ours"]}, {"GatedToyConfig": "ToyConfig"})
    assert '    ],\n    "GatedToyConfig": ["theirs", "ours"],\n' in edited
    assert config_fields.allowed(edited)["GatedToyConfig"] == ("theirs", "ours")
    assert config_fields.allow_fields(edited, {"GatedToyConfig": ["ours"]}, {"GatedToyConfig": "ToyConfig"}) == edited


def test_fields_that_are_read_need_no_exception() -> None:
    assert config_fields.allow_fields(EXCEPTIONS, {"NewConfig": []}, {"NewConfig": "OldConfig"}) == EXCEPTIONS
    modeling = 'self.config.one\ngetattr(config, "two", 1)\nconfig.threes\n'
    assert config_fields.unread(["one", "two", "three"], modeling) == ["three"]


def test_a_base_that_may_leave_all_unread_says_so_for_its_gated_model() -> None:
    edited = config_fields.allow_fields(EXCEPTIONS, {"GatedFreeConfig": []}, {"GatedFreeConfig": "FreeConfig"})
    assert '    "GatedFreeConfig": True,\n}' in edited


REPO_LISTS = """\
PRIVATE = [
    "ClvpEncoder",
]
IGNORE_NON_TESTED = PRIVATE.copy() + [
    # parts
    "ClvpDecoder",  # tested with the whole
    "BartDecoder",
]
OTHER = ("ClvpDecoder",)
"""


def test_exceptions_of_a_base_hold_for_the_gated_model() -> None:
    renamed = {"ClvpDecoder": "QualityGateClvpDecoder", "ClvpModel": "QualityGateClvpModel"}
    text = repo_lists.repeat_exceptions(REPO_LISTS, renamed)
    assert text == REPO_LISTS.replace("the whole\n", 'the whole\n    "QualityGateClvpDecoder",\n')
    assert repo_lists.repeat_exceptions(text, renamed) == text
    assert repo_lists.excepted(text, "QualityGateClvpDecoder") and not repo_lists.excepted(
        text, "QualityGateClvpModel"
    )


def test_a_folder_that_is_no_model_type_has_its_configuration_named() -> None:
    table = (
        'HARDCODED_CONFIG_FOR_MODELS = {{\n    "openai": "OpenAIGPTConfig",\n    "kosmos2": "Kosmos2Config",\n{}}}\n'
    )
    text, base = (
        'A = {\n    "kosmos2": "X",\n}\n' + table.format(""),
        ("kosmos2", "quality_gate_kosmos2", "GatedConfig"),
    )
    named = docstring_configs.name_config(text, *base)
    assert named.endswith(table.format('    "quality-gate-kosmos2": "GatedConfig",\n')) and named.count("Gated") == 1
    assert docstring_configs.name_config(named, *base) == named
    last = docstring_configs.name_config(text, "llama", "quality_gate_llama", "GatedConfig")
    assert last == text.removesuffix("}\n") + '    "quality-gate-llama": "GatedConfig",\n}\n'


def test_a_shared_file_that_is_no_python_is_left_as_it_is() -> None:
    """ruff says what is wrong with it; nothing else has to end."""
    broken = "CONFIG_MAPPING_NAMES = OrderedDict(\n    [\n"
    assert mappings.read_tables(broken) == {} and models_init.listed(broken) == []
    assert mappings.add_entries(broken, [("CONFIG_MAPPING_NAMES", "a", "A")]) == broken
    assert docstring_configs.name_config(broken, "llama", "quality_gate_llama", "GatedConfig") == broken


def test_several_entries_of_one_place_are_sorted_and_the_first_of_a_model_type_counts() -> None:
    table = "MODEL_FOR_X_MAPPING_NAMES"
    wanted = [(table, "y", "Y"), (table, "x", "X"), (table, "x", "Other"), (table, "zoo", "There")]
    edited = mappings.add_entries(MAPPINGS, wanted)
    assert edited == MAPPINGS.replace('        ("zoo"', '        ("x", "X"),\n        ("y", "Y"),\n        ("zoo"')


def test_tables_are_read_however_they_are_laid_out() -> None:
    text = "A_NAMES: OrderedDict[str, str] = OrderedDict(\n    [\n      ('a',\n       'A'),\n    ]\n)\nB_NAMES = OrderedDict([('b', 'B')])\n"
    tables = mappings.read_tables(text)
    assert list(tables) == ["A_NAMES"] and tables["A_NAMES"].values == {"a": "A"}  # nothing can be put into the other
