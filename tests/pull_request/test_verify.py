"""An export has no findings, and each planted fault is found where it was planted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from exported_llama import TODAY, exported_tree, setting
from pull_request.layout import (
    AUTO_MAPPINGS,
    MODELING_AUTO,
    MODELS_INIT,
    configuration_path,
    init_path,
    modeling_path,
    modular_path,
    page_path,
)
from pull_request.layout import (
    tests_path as path_of_tests,
)
from pull_request.values import Tree
from pull_request.verify import (
    CHECKS,
    config_checks,
    layout_checks,
    mapping_checks,
    modeling_checks,
    page_checks,
    reference_checks,
    test_checks,
    tool_checks,
    verify,
)
from pull_request.verify.subject import Check, Subject


NAME = "quality_gate_llama"
CONFIGURATION, MODELING, MODULAR = configuration_path(NAME), modeling_path(NAME), modular_path(NAME)
PAGE, TESTS = page_path(NAME), path_of_tests(NAME)


def plant(path: str, old: str, new: str) -> Tree:
    """The exported tree with one fault in one file."""
    tree = exported_tree()
    text = tree.read(path)
    assert text is not None and old in text, f"{path} has no {old!r}"
    return tree.with_changes({path: text.replace(old, new, 1)})


def found(check: Check, tree: Tree) -> dict[str, tuple[str, int, str]]:
    """code -> (path, line, message) of what a check finds."""
    subject = Subject(NAME, tree, setting())
    return {each.code: (each.path, each.line, each.message) for each in check(subject)}


def line_of(tree: Tree, path: str, start: str) -> int:
    lines = (tree.read(path) or "").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(start))


def test_an_export_has_no_findings() -> None:
    assert [str(each) for each in verify([NAME], exported_tree(), setting())] == []


def test_every_check_is_run() -> None:
    rooms = (
        *(layout_checks, tool_checks, reference_checks, config_checks, modeling_checks),
        *(mapping_checks, page_checks, test_checks),
    )
    checks = {
        value
        for room in rooms
        for name, value in vars(room).items()
        if isinstance(value, Callable) and value.__module__ == room.__name__ and "subject" in value.__annotations__
        if not name.startswith("_")
    }
    assert checks == set(CHECKS)


def test_a_hand_edited_generated_file_is_found() -> None:
    tree = plant(MODELING, "residual = hidden_states\n", "residual = hidden_states.clone()\n")
    path, line, _ = found(tool_checks.reconverted, tree)["stale-generated"]
    assert (path, line) == (MODELING, line_of(tree, MODELING, "residual = hidden_states.clone()"))


@pytest.mark.parametrize("path", [init_path(NAME), f"tests/models/{NAME}/__init__.py"])
def test_a_missing_init_is_found(path: str) -> None:
    tree = exported_tree()
    without = Tree(
        tree.package, tree.root, tree.release, {each: text for each, text in tree.changed.items() if each != path}
    )
    assert found(layout_checks.missing_files, without)["missing-file"][0] == path


@pytest.mark.parametrize(
    ("path", "check", "old"),
    [
        (MODELS_INIT, mapping_checks.in_models_init, f"    from .{NAME} import *\n"),
        (AUTO_MAPPINGS, mapping_checks.configs_mapped, f'        ("{NAME}", "QualityGateLlamaConfig"),\n'),
        (MODELING_AUTO, mapping_checks.models_mapped, f'        ("{NAME}", "QualityGateLlamaForCausalLM"),\n'),
    ],
)
def test_an_unsorted_mapping_is_found(path: str, check: Check, old: str) -> None:
    text = exported_tree().read(path) or ""
    before, _, after = text.partition(old)
    above = before.rfind("\n", 0, len(before) - 1) + 1  # the start of the line before
    tree = exported_tree().with_changes({path: before[:above] + old + before[above:] + after})
    where, line, message = found(check, tree)["unsorted-mapping"]
    assert (where, line) == (path, before.count("\n")) and NAME in message


@pytest.mark.parametrize(
    ("path", "check", "old"),
    [
        (MODELS_INIT, mapping_checks.in_models_init, f"    from .{NAME} import *\n"),
        (AUTO_MAPPINGS, mapping_checks.configs_mapped, f'        ("{NAME}", "QualityGateLlamaConfig"),\n'),
        (
            MODELING_AUTO,
            mapping_checks.models_mapped,
            f'        ("{NAME}", "QualityGateLlamaForTokenClassification"),\n',
        ),
    ],
)
def test_a_missing_mapping_is_found(path: str, check: Check, old: str) -> None:
    assert found(check, plant(path, old, ""))["missing-mapping"][0] == path


def test_a_mapping_that_lacks_one_of_several_tables_is_found() -> None:
    """A model in one table of its base and not in another."""
    tree = plant(MODELING_AUTO, f'        ("{NAME}", "QualityGateLlamaModel"),\n', "")
    assert "QualityGateLlamaModel" in found(mapping_checks.models_mapped, tree)["missing-mapping"][2]


def test_an_undocumented_class_is_found() -> None:
    tree = plant(PAGE, "[[autodoc]] QualityGateLlamaForCausalLM\n    - forward\n", "")
    path, line, message = found(page_checks.documented, tree)["undocumented-class"]
    assert path == MODELING and "QualityGateLlamaForCausalLM" in message
    assert (tree.read(path) or "").splitlines()[line - 1].strip() == '"QualityGateLlamaForCausalLM",'


def test_a_page_without_a_last_newline_leaves_its_last_class_undocumented() -> None:
    tree = exported_tree().with_changes({PAGE: "# T\n\n[[autodoc]] QualityGateLlamaForQuestionAnswering"})
    messages = [each.message for each in page_checks.documented(Subject(NAME, tree, setting()))]
    assert any("QualityGateLlamaForQuestionAnswering" in message for message in messages)


def test_an_entry_of_nothing_is_found() -> None:
    tree = plant(PAGE, "[[autodoc]] QualityGateLlamaModel\n", "[[autodoc]] QualityGateLlamaModle\n")
    assert found(page_checks.documented, tree)["unknown-entry"][0] == PAGE


def test_an_undocumented_field_is_found() -> None:
    tree = plant(CONFIGURATION, "    w_var: float | int = 1.0\n", "    w_var: float | int = 1.0\n    w_new: int = 1\n")
    path, line, message = found(config_checks.documented_fields, tree)["undocumented-field"]
    assert (path, line) == (CONFIGURATION, line_of(tree, CONFIGURATION, "w_new: int")) and "w_new" in message


def test_a_text_about_no_field_is_found() -> None:
    tree = plant(CONFIGURATION, "    w_var: float | int = 1.0\n", "")
    path, line, _ = found(config_checks.documented_fields, tree)["redundant-text"]
    assert (path, line) == (CONFIGURATION, line_of(tree, CONFIGURATION, "w_var (`float`"))


def test_an_unused_field_is_found() -> None:
    tree = plant(CONFIGURATION, "    w_var: float | int = 1.0\n", "    w_var: float | int = 1.0\n    w_new: int = 1\n")
    path, line, message = found(config_checks.read_fields, tree)["unused-field"]
    assert (path, line) == (CONFIGURATION, line_of(tree, CONFIGURATION, "w_new: int")) and "config.w_new" in message


def test_a_float_that_refuses_integers_is_found() -> None:
    tree = plant(CONFIGURATION, "w_var: float | int", "w_var: float")
    assert found(config_checks.float_fields, tree)["float-only"][1] == line_of(tree, CONFIGURATION, "w_var: float")


def test_a_mangled_checkpoint_is_found() -> None:
    tree = plant(
        CONFIGURATION, '(checkpoint="HuggingFaceTB/SmolLM2-135M")', '(checkpoint="meta-quality_gate_llama/X-2-7b-hf")'
    )
    path, line, message = found(config_checks.checkpoints, tree)["mangled-checkpoint"]
    assert (path, line) == (CONFIGURATION, line_of(tree, CONFIGURATION, "@auto_docstring")) and "X-2-7b-hf" in message


def test_missing_kwargs_are_found() -> None:
    head = "    def forward(self, input_ids):\n        return input_ids\n"
    tree = plant(
        MODELING,
        "class QualityGateLlamaForQuestionAnswering(",
        f"class QualityGateLlamaForNothing(QualityGateLlamaPreTrainedModel):\n{head}\n\nclass QualityGateLlamaForQuestionAnswering(",
    )
    path, line, message = found(modeling_checks.keyword_arguments, tree)["missing-kwargs"]
    assert (path, line) == (MODELING, line_of(tree, MODELING, "def forward(self, input_ids):"))
    assert "QualityGateLlamaForNothing.forward" in message
    assert "QualityGateLlamaForNothing" in found(modeling_checks.exported, tree)["unexported-model"][2]
    assert found(modeling_checks.exported, exported_tree()) == {}


def test_inputs_that_nothing_describes_are_found() -> None:
    said, head = "(custom_args=QUALITY_GATE_INPUTS)", "returns_quality_scores(QualityGateLlamaTokenClassifierOutput)"
    said += '\n    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")'
    undescribed = plant(MODELING, f"    @auto_docstring{said}\n    @{head}", f"    @auto_docstring\n    @{head}")
    taken_over = plant(MODELING, f"    @auto_docstring{said}\n    @{head}\n", f"    forward = {head}(A.forward)\n\n")
    for tree in (undescribed, taken_over):
        path, _, message = found(modeling_checks.documented_inputs, tree)["undocumented-input"]
        assert path == MODELING and "QualityGateLlamaForTokenClassification.forward" in message
    assert found(modeling_checks.documented_inputs, exported_tree()) == {}


def test_a_missing_date_is_found() -> None:
    tree = plant(PAGE, f"*This model was contributed to Hugging Face Transformers on {TODAY}.*\n", "")
    path, line, _ = found(page_checks.dates, tree)["missing-date"]
    assert (path, line) == (PAGE, line_of(tree, PAGE, "-->") + 1)


@pytest.mark.parametrize(
    "wording", ["was released on 2026-03-14 and added to Hugging Face Transformers on 2026-03-14"]
)
def test_the_older_wording_is_no_date(wording: str) -> None:
    tree = plant(PAGE, f"was contributed to Hugging Face Transformers on {TODAY}", wording)
    assert "missing-date" in found(page_checks.dates, tree)


def test_a_date_of_another_day_is_found() -> None:
    tree = plant(PAGE, str(TODAY), str(TODAY - timedelta(days=2)))
    assert found(page_checks.dates, tree)["stale-date"][1] == line_of(tree, PAGE, "*This model was")
    assert found(page_checks.dates, plant(PAGE, str(TODAY), str(TODAY - timedelta(days=1)))) == {}


@pytest.mark.parametrize("path", [init_path(NAME), MODULAR, CONFIGURATION, MODELING, TESTS])
def test_a_missing_licence_header_is_found(path: str) -> None:
    for line in ("#     http://www.apache.org/licenses/LICENSE-2.0\n", "# Copyright 2026 "):
        assert found(layout_checks.headers, plant(path, line, "# "))["licence-header"][0] == path


def test_a_year_that_turns_a_test_off_is_found() -> None:
    tree = plant(CONFIGURATION, "# Copyright 2026", "# Copyright 2022")
    assert found(layout_checks.headers, tree)["licence-year"][0] == CONFIGURATION


@pytest.mark.parametrize("path", [MODULAR, MODELING])
def test_a_class_without_the_prefix_is_found(path: str) -> None:
    tree = plant(path, "class QualityGateLlamaGate(", "class QualityGate(")
    where, line, message = found(modeling_checks.prefixed, tree)["unprefixed-class"]
    assert (where, line) == (path, line_of(tree, path, "class QualityGate(")) and "`QualityGate`" in message


@pytest.mark.parametrize("path", [MODULAR, MODELING])
def test_an_in_place_initialisation_is_found(path: str) -> None:
    tree = plant(path, "init.normal_(module.gate.weight, ", "module.gate.weight.data.normal_(")
    where, line, _ = found(modeling_checks.initialisation, tree)["in-place-init"]
    assert (where, line) == (path, line_of(tree, path, "module.gate.weight.data.normal_("))


def test_an_in_place_operation_on_a_new_tensor_is_none() -> None:
    new = "init.copy_(module.gate.weight, torch.empty(3).uniform_()); print("
    tree = plant(MODULAR, "init.normal_(module.gate.weight, ", new)
    assert found(modeling_checks.initialisation, tree) == {}


def test_an_initialisation_without_its_base_is_found() -> None:
    tree = plant(MODULAR, "        PreTrainedModel._init_weights(self, module)\n", "")
    assert found(modeling_checks.initialisation, tree)["base-init"][0] == MODULAR


@pytest.mark.parametrize("path", [MODULAR, CONFIGURATION])
def test_a_missing_strict_is_found(path: str) -> None:
    tree = plant(path, "@strict\n", "")
    where, line, _ = found(config_checks.decorated, tree)["missing-strict"]
    assert (where, line) == (path, line_of(tree, path, "class QualityGateLlamaConfig"))


def test_a_head_that_finds_no_weights_is_found() -> None:
    tree = plant(MODELING, '    base_model_prefix = "model"  #', '    base_model_prefix = "transformer"  #')
    assert found(modeling_checks.base_prefixes, tree)["base-prefix"][0] == MODELING


def test_an_absolute_import_is_found() -> None:
    tree = plant(MODULAR, "from ...cache_utils import Cache\n", "from transformers.cache_utils import Cache\n")
    path, line, _ = found(modeling_checks.relative_imports, tree)["absolute-import"]
    assert (path, line) == (MODULAR, line_of(tree, MODULAR, "from transformers.cache_utils"))


def test_an_exported_helper_is_found() -> None:
    tree = plant(MODELING, "__all__ = [\n", '__all__ = [\n    "valid_tokens",\n')
    assert "valid_tokens" in found(modeling_checks.exported, tree)["exported-helper"][2]


def test_an_untested_model_is_found() -> None:
    tree = plant(TESTS, "base_model_class = QualityGateLlamaModel", "base_model_class = QualityGateLamaModel")
    assert found(test_checks.tested, tree)["untested-model"][0] == TESTS


def test_what_ruff_finds_is_found() -> None:
    tree = plant(TESTS, "import copy\n", "import copy\nimport zlib\n")
    assert "zlib" in found(tool_checks.ruff, tree)["ruff"][2]
    assert found(tool_checks.ruff, tree)["ruff"][0] == TESTS


def test_what_the_linter_of_models_finds_is_found() -> None:
    tree = plant(MODULAR, "# CODEPATH: ", "# ")
    path, line, message = found(tool_checks.linted, tree)["mlinter"]
    assert path == MODULAR and "TRF041" in message and line > 300


def test_a_constant_that_only_this_converter_takes_along_is_found() -> None:
    imported = "from ..llama.modeling_llama import (\n"
    tree = plant(MODULAR, imported, f"from ..far.modeling_far import OWN_INPUTS\n{imported}")
    far = 'OWN_INPUTS = r"""\n    far (`int`):\n        Far.\n"""\n'
    text = (tree.read(MODULAR) or "").replace("custom_args=QUALITY_GATE_INPUTS", "custom_args=OWN_INPUTS", 1)
    tree = tree.with_changes({MODULAR: text, "src/transformers/models/far/modeling_far.py": far})
    path, line, message = found(reference_checks.relied_on, tree)["reference-loses"]
    assert path == MODULAR and "OWN_INPUTS" in message and "QualityGateLlama" in text.splitlines()[line - 1]
    assert found(reference_checks.relied_on, exported_tree()) == {}


def test_a_name_that_the_tree_lacks_is_found() -> None:
    tree = plant(
        MODULAR, "from ...processing_utils import Unpack\n", "from ...processing_utils import Unpack, no_such\n"
    )
    use = "        self.scale_ffn = config.quality_gate_mode"
    tree = tree.with_changes({MODULAR: (tree.read(MODULAR) or "").replace(use, f"        no_such()\n{use}", 1)})
    path, _, message = found(reference_checks.relied_on, tree)["unresolved-import"]
    assert path == MODULAR and "no_such" in message


def test_a_method_that_the_parent_lacks_is_found() -> None:
    called = "PreTrainedModel._init_weights(self, module)"
    tree = plant(MODULAR, called, "super()._init_weights(module)")
    path, line, message = found(reference_checks.called_above, tree)["reference-loses"]
    assert (path, line) == (MODULAR, line_of(tree, MODULAR, "super()._init_weights(module)"))
    assert "LlamaPreTrainedModel" in message
    assert found(reference_checks.called_above, exported_tree()) == {}


def test_a_text_of_what_transformers_describes_is_found() -> None:
    head = "    ) -> QualityGateLlamaTokenClassifierOutput:\n"
    text = (exported_tree().read(MODELING) or "").partition("class QualityGateLlamaForTokenClassification(")[2]
    assert head in text
    said = '        r"""\n        labels (`torch.LongTensor`, *optional*):\n            Mine.\n        """\n'
    before, name, after = (exported_tree().read(MODELING) or "").partition(
        "class QualityGateLlamaForTokenClassification("
    )
    tree = exported_tree().with_changes({MODELING: before + name + after.replace(head, head + said, 1)})
    path, _, message = found(modeling_checks.redundant_inputs, tree)["redundant-text"]
    assert path == MODELING and "`labels`" in message and "QualityGateLlamaForTokenClassification.forward" in message
    assert found(modeling_checks.redundant_inputs, exported_tree()) == {}


def test_an_inherited_field_that_no_gated_head_reads_is_found() -> None:
    field = "    vocab_size: int = 32000\n"
    of_base = "src/transformers/models/llama/configuration_llama.py", "src/transformers/models/llama/modeling_llama.py"
    texts = {path: exported_tree().read(path) or "" for path in (CONFIGURATION, *of_base)}
    assert all(field in texts[path] for path in (CONFIGURATION, of_base[0]))
    changes = {
        path: texts[path].replace(field, f"{field}    summary: int = 1\n", 1) for path in (CONFIGURATION, of_base[0])
    }
    changes[of_base[1]] = texts[of_base[1]] + "\n\ndef summary(config):\n    return config.summary\n"
    tree = exported_tree().with_changes(changes)
    path, line, message = found(config_checks.read_fields, tree)["unused-field"]
    assert (path, line) == (
        CONFIGURATION,
        line_of(tree, CONFIGURATION, "summary: int"),
    ) and "config.summary" in message
    unread = tree.with_changes({of_base[1]: texts[of_base[1]]})  # the base leaves it unread, too: it is excepted there
    assert found(config_checks.read_fields, unread) == {}
