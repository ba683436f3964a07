"""What --verify finds in the files of a made-up model, and what it lets pass: each check with its faults beside their neighbours."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pull_request.layout import (
    AUTO_DOCSTRING,
    AUTO_MAPPINGS,
    CONFIG_CHECK,
    CONFIGURATION_AUTO,
    MODELING_AUTO,
    MODELS_INIT,
    REPO_CHECK,
    TOCTREE,
    configuration_path,
    modeling_path,
    modular_path,
    page_path,
)
from pull_request.layout import tests_path as path_of_tests
from pull_request.values import ExportSetting, Tree
from pull_request.verify import (
    config_checks,
    layout_checks,
    mapping_checks,
    modeling_checks,
    page_checks,
    reference_checks,
    test_checks,
)
from pull_request.verify.subject import Check, Subject
from pull_request.verify.test_checks import named_models
from rendering.render import render
from syntax.trees import tree_of


NAME, TODAY = "quality_gate_toy", date(2026, 3, 14)
PATHS = {
    **{"configuration": configuration_path(NAME), "modeling": modeling_path(NAME), "modular": modular_path(NAME)},
    **{"base": modeling_path("toy"), "base_config": configuration_path("toy"), "tests": path_of_tests(NAME)},
    **{"page": page_path(NAME), "toctree": TOCTREE, "init": MODELS_INIT, "configs": AUTO_MAPPINGS},
    **{
        "models": MODELING_AUTO,
        "check_config": CONFIG_CHECK,
        "check_repo": REPO_CHECK,
        "docstrings": AUTO_DOCSTRING,
        "older": CONFIGURATION_AUTO,
    },
}


def found(check: Check, **texts: str) -> list[str]:
    """What a check finds in a tree of these files, as "file: line: code"."""
    tree = Tree(Path("nowhere"), None, "5.24.0", {PATHS[name]: text for name, text in texts.items()})
    names = {path: name for name, path in PATHS.items()}
    told = list(check(Subject(NAME, tree, ExportSetting(TODAY, Path("ruff.toml"), tree))))
    assert all(each.message and each.fix for each in told)
    return [f"{names[each.path]}: {each.line}: {each.code}" for each in told]


CONFIG = """
@auto_docstring(checkpoint="org/name")
@strict
class QualityGateToyConfig(PreTrainedConfig):
    r\"\"\"
    w_var (`float`):
        Weighs.
    \"\"\"

    model_type = "quality_gate_toy"
    size: int = 1
    w_var: float | int = 1.0
"""
BASE_CONFIG = "class ToyConfig(PreTrainedConfig):\n    size: int = 1\n    theirs: float = 1.0\n"
DESCRIBED = "class ConfigArgs:\n    known = {}\n"


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("", "", []),
        ("@strict\n", "", ["configuration: 3: missing-strict"]),
        ('@auto_docstring(checkpoint="org/name")\n', "", ["configuration: 3: missing-docstring"]),
        ("@strict\nclass QualityGateToyConfig", "class Other", []),  # no configuration
    ],
)
def test_configurations_are_decorated(old: str, new: str, at: list[str]) -> None:
    assert found(config_checks.decorated, configuration=CONFIG.replace(old, new, 1)) == at
    modular = [each.replace("configuration", "modular") for each in at]
    assert found(config_checks.decorated, modular=CONFIG.replace(old, new, 1)) == modular


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("", "", []),
        (
            "w_var: float | int = 1.0",
            "w_new: int = 1",
            ["configuration: 12: undocumented-field", "configuration: 6: redundant-text"],
        ),
        ("w_var: float | int = 1.0", "known: int = 1\n    w_var: int = 1", []),
        ("size: int = 1", "theirs: int = 1", []),
        ("Weighs.", "Weighs.\n    known (`int`):\n        Is not here.", []),
    ],
)
def test_fields_are_described_and_descriptions_are_of_fields(old: str, new: str, at: list[str]) -> None:
    text = CONFIG.replace(old, new, 1)
    assert (
        found(config_checks.documented_fields, configuration=text, base_config=BASE_CONFIG, docstrings=DESCRIBED) == at
    )


@pytest.mark.parametrize(
    ("annotation", "is_found"),
    [
        ("float", True),
        ("float | None", True),
        ("float | int", False),
        ("int | float | None", False),
        ("list[float]", False),
    ],
)
def test_floats_take_whole_numbers(annotation: str, is_found: bool) -> None:
    text = CONFIG.replace("float | int", annotation)
    assert found(config_checks.float_fields, configuration=text) == ["configuration: 12: float-only"] * is_found
    assert (
        found(config_checks.float_fields, configuration=text, base_config=f"class C:\n    w_var: {annotation}\n") == []
    )


READS = "config.size\nself.config.w_var\n"


@pytest.mark.parametrize(
    ("modeling", "more", "at"),
    [
        (READS, {}, []),
        ("config.size\n", {}, ["configuration: 12: unused-field"]),
        ("config.size\ngetattr(config, 'w_var', 1)\n", {}, []),
        ("config.size\nconfig.w_variance\n", {}, ["configuration: 12: unused-field"]),
        ("config.w_var\n", {"base_config": BASE_CONFIG}, []),  # the base leaves it unread as well
        ("config.size\n", {"check_config": 'SPECIAL_CASES_TO_ALLOW = {"QualityGateToyConfig": ["w_var"]}\n'}, []),
        (
            "config.size\n",
            {"check_config": 'SPECIAL_CASES_TO_ALLOW = {"ToyConfig": ["w_var"]}\n'},
            ["configuration: 12: unused-field"],
        ),
        (
            READS.replace("config.size", ""),
            {"base_config": BASE_CONFIG, "base": "config.size\n"},
            ["configuration: 11: unused-field"],
        ),
    ],
)
def test_fields_are_read_or_excepted(modeling: str, more: dict[str, str], at: list[str]) -> None:
    assert found(config_checks.read_fields, configuration=CONFIG, modeling=modeling, **more) == at


@pytest.mark.parametrize(
    ("text", "more", "at"),
    [
        ('x = from_pretrained("org/name")\n', {"modular": "org/name"}, []),
        ('x = from_pretrained("org/name")\n', {"base": 'checkpoint="org/name"'}, []),
        ('\nx = from_pretrained("org/other")\n', {"modular": "org/name"}, ["modeling: 2: mangled-checkpoint"]),
        ("@auto_docstring(checkpoint='org/other')\n", {}, ["modeling: 1: mangled-checkpoint"]),
        ('x = load("org/other")\n', {}, []),
    ],
)
def test_checkpoints_are_such_that_somebody_wrote(text: str, more: dict[str, str], at: list[str]) -> None:
    assert found(config_checks.checkpoints, modeling=text, **more) == at


DATE = "*This model was contributed to Hugging Face Transformers on 2026-03-{}.*\n"
PAGE = "-->\n" + DATE.format("14") + "\n# Toy\n\n[[autodoc]] QualityGateToyModel\n    - forward\n"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (PAGE, []),
        (PAGE.replace("03-14", "03-13"), []),
        (PAGE.replace("03-14", "03-12"), ["page: 2: stale-date"]),
        (PAGE.replace("03-14", "03-16"), ["page: 2: stale-date"]),
        (PAGE.replace("was contr", "was published in HF papers on 2025-01-02 and contr"), []),
        (PAGE.replace(DATE.format("14"), ""), ["page: 2: missing-date"]),
        (PAGE.replace("*This", "This"), ["page: 2: missing-date"]),
        ("", []),  # a missing page is told otherwise
    ],
)
def test_a_page_says_when_its_model_was_contributed(text: str, at: list[str]) -> None:
    assert found(page_checks.dates, page=text) == at


MODELING = '__all__ = [\n    "QualityGateToyModel",\n    "QualityGateToyPreTrainedModel",\n]\n'


@pytest.mark.parametrize(
    ("page", "modeling", "at"),
    [
        (PAGE, MODELING, []),
        (PAGE, MODELING.replace("]", '    "QualityGateToyHead",\n]'), ["modeling: 4: undocumented-class"]),
        (
            PAGE.replace("ToyModel", "ToyModle"),
            MODELING,
            ["modeling: 2: undocumented-class", "page: 6: unknown-entry"],
        ),
        (PAGE.replace("\n    - forward\n", ""), MODELING, ["modeling: 2: undocumented-class"]),  # no newline behind it
        ("", MODELING, []),
    ],
)
def test_every_class_has_an_entry_and_every_entry_a_class(page: str, modeling: str, at: list[str]) -> None:
    assert found(page_checks.documented, page=page, modeling=modeling) == at


TOC = "".join(
    f"  - local: model_doc/{name}\n    title: {title}\n"
    for name, title in [("a", "Apple"), (NAME, "Toy"), ("z", "zebra")]
)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (TOC, []),
        (TOC.replace("title: Toy", "title: toy"), []),
        (TOC.replace("Apple", "Zoo"), ["toctree: 3: unsorted-page"]),
        (TOC.replace("zebra", "Apple"), ["toctree: 3: unsorted-page"]),
        (TOC.replace(NAME, "another"), ["toctree: 1: missing-page"]),
    ],
)
def test_a_page_is_listed_where_its_title_sorts_it(text: str, at: list[str]) -> None:
    assert found(page_checks.listed, toctree=text) == at
    assert found(page_checks.listed) == []  # where there is no table, nobody can say


def licence(year: str) -> str:
    return render("pull_request/license.py.j2", year=year, holders="Somebody")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (licence("2026") + "\nx = 1\n", []),
        (licence("2023"), []),
        (licence("2022"), ["licence-year"]),
        ("x = 1\n", ["licence-header"]),
        ("", ["licence-header"]),
        (licence("2026").replace("WITHOUT", "WITH"), ["licence-header"]),
        ("#  🚨🚨\n# generated\n# do not edit\n#  🚨🚨\n" + licence("2026"), []),
    ],
)
def test_files_begin_with_the_licence(text: str, codes: list[str]) -> None:
    line = text.count("🚨🚨") * 2 + 1
    assert found(layout_checks.headers, configuration=text) == [f"configuration: {line}: {code}" for code in codes]
    others = [code for code in codes if code != "licence-year"]  # no test reads the year of another file
    assert found(layout_checks.headers, modeling=text) == [f"modeling: {line}: {code}" for code in others]


HEADS = """
class QualityGateToyPreTrainedModel(PreTrainedModel):
    base_model_prefix = "model"

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        init.zeros_(module.weight)


class QualityGateToyModel(QualityGateToyPreTrainedModel):
    def forward(self, x, **kwargs):
        return x


__all__ = ["QualityGateToyPreTrainedModel", "QualityGateToyModel"]
"""


@pytest.mark.parametrize(
    ("check", "old", "new", "at"),
    [
        (modeling_checks.exported, "", "", []),
        (modeling_checks.exported, ', "QualityGateToyModel"]', "]", ["modeling: 11: unexported-model"]),
        (
            modeling_checks.exported,
            ', "QualityGateToyModel"]',
            ', "QualityGateToyModel", "helper"]',
            ["modeling: 16: exported-helper"],
        ),
        (modeling_checks.keyword_arguments, "", "", []),
        (modeling_checks.keyword_arguments, ", **kwargs", "", ["modeling: 12: missing-kwargs"]),
        (
            modeling_checks.keyword_arguments,
            "class QualityGateToyModel(QualityGateToyPreTrainedModel)",
            "class QualityGateToyModel(nn.Module)",
            [],
        ),
        (modeling_checks.keyword_arguments, "def forward(self, x, **kwargs)", "def backward(self, x)", []),
        (modeling_checks.initialisation, "", "", []),
        (modeling_checks.initialisation, "super()._init_weights(module)", "pass", ["modeling: 6: base-init"]),
        (modeling_checks.initialisation, "    @torch.no_grad()\n", "", ["modeling: 5: init-gradients"]),
        (
            modeling_checks.initialisation,
            "init.zeros_(module.weight)",
            "module.weight.data.zero_()",
            ["modeling: 8: in-place-init"],
        ),
        (modeling_checks.initialisation, "init.zeros_(module.weight)", "module.__enter__()", []),
        (modeling_checks.initialisation, "init.zeros_(module.weight)", "nn.init.zeros_(module.weight)", []),
        (modeling_checks.relative_imports, "", "", []),
        (
            modeling_checks.relative_imports,
            "\nclass",
            "from transformers.utils import x\nclass",
            ["modeling: 1: absolute-import"],
        ),
        (modeling_checks.relative_imports, "\nclass", ">>> from transformers import x\nclass", []),
        (
            modeling_checks.relative_imports,
            "return x",
            "return generated.quality_gate_toy",
            ["modeling: 13: absolute-import"],
        ),
        (modeling_checks.prefixed, "", "", []),
        (modeling_checks.prefixed, "class QualityGateToyModel", "class Gate", ["modeling: 11: unprefixed-class"]),
        (modeling_checks.base_prefixes, "", "", []),
        (
            modeling_checks.base_prefixes,
            "    def forward",
            '    base_model_prefix = "transformer"\n\n    def forward',
            ["modeling: 12: base-prefix"],
        ),
        (modeling_checks.base_prefixes, "    def forward", "    base_model_prefix = 'model'\n\n    def forward", []),
    ],
)
def test_modeling_files_keep_to_the_rules_of_the_repository(check: Check, old: str, new: str, at: list[str]) -> None:
    text = HEADS.replace(old, new, 1)
    assert found(check, modeling=text) == at


def test_what_the_base_does_is_the_bases() -> None:
    hidden = "class ToyModel(ToyPreTrainedModel): pass\n__all__ = ['ToyPreTrainedModel']\n"
    text = HEADS.replace(', "QualityGateToyModel"]', "]")
    assert found(modeling_checks.exported, modeling=text, base=hidden) == []
    in_place = HEADS.replace("init.zeros_(module.weight)", "module.weight.data.zero_()")
    assert found(modeling_checks.initialisation, modeling=in_place, base="module.weight.data.zero_()\n") == []


def table(name: str, *keys: str) -> str:
    lines = "".join(f'        ("{key}", "{value}"),\n' for key, value in (each.split(":") for each in keys))
    return f"{name} = OrderedDict(\n    [\n{lines}    ]\n)\n"


CONFIGS = table("CONFIG_MAPPING_NAMES", "a:AConfig", f"{NAME}:QualityGateToyConfig", "z:ZConfig")
MAPPED = table("MODEL_MAPPING_NAMES", f"{NAME}:QualityGateToyModel", "toy:ToyModel")


@pytest.mark.parametrize(
    ("check", "name", "text", "at"),
    [
        (mapping_checks.in_models_init, "init", f"if TYPE_CHECKING:\n    from .{NAME} import *\n", []),
        (mapping_checks.in_models_init, "init", "if TYPE_CHECKING:\n    from .toy import *\n", ["init: 2: missing-mapping"]),
        (mapping_checks.in_models_init, "init", f"if TYPE_CHECKING:\n    from .toy import *\n    from .{NAME} import *\n", ["init: 3: unsorted-mapping"]),
        (mapping_checks.in_models_init, "init", f"if TYPE_CHECKING:\n    from .z import *\n    from .toy import *\n    from .{NAME}_2 import *\n    from .{NAME} import *\n", ["init: 5: unsorted-mapping"]),
        (mapping_checks.configs_mapped, "configs", CONFIGS, []),
        (mapping_checks.configs_mapped, "configs", CONFIGS.replace("QualityGate", ""), ["configs: 3: missing-mapping"]),
        (mapping_checks.configs_mapped, "configs", CONFIGS.replace('"a"', '"s"'), ["configs: 4: unsorted-mapping"]),
        (mapping_checks.configs_mapped, "configs", "", ["older: 1: missing-mapping"]),
        (mapping_checks.models_mapped, "models", MAPPED, []),
        (mapping_checks.models_mapped, "models", MAPPED.replace("QualityGate", ""), ["models: 3: missing-mapping"]),
        (mapping_checks.models_mapped, "models", MAPPED + table("MODEL_FOR_PRETRAINING_MAPPING_NAMES", "toy:ToyModel"), ["models: 9: missing-mapping"]),
        (mapping_checks.models_mapped, "models", MAPPED.replace("toy", "zoo").replace("quality_gate_zoo", NAME), []),
    ],
)  # fmt: skip
def test_models_are_in_the_tables_that_all_share(check: Check, name: str, text: str, at: list[str]) -> None:
    assert found(check, configuration=CONFIG, modeling=HEADS, **{name: text}) == at


def test_what_the_repository_excepts_is_in_no_table() -> None:
    lists = 'IGNORE = [\n    "QualityGateToyModel",\n]\n'
    none = table("MODEL_MAPPING_NAMES", "toy:ToyModel")
    assert found(mapping_checks.models_mapped, modeling=HEADS, models=none, check_repo=lists) == []
    assert found(mapping_checks.models_mapped, modeling=HEADS, models=table("MODEL_MAPPING_NAMES", "z:ZModel")) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("class T:\n    all_model_classes = (A, B) if x else ()", {"A", "B"}),
        ("class T:\n    all_model_classes = (\n        (\n            A,\n            B,\n        )\n    )", {"A", "B"}),
        ("class T(CausalLMModelTester):\n    base_model_class = ToyModel", {"ToyModel", *(f"Toy{role}" for role in test_checks.ROLES.values())}),
        (
            "class T(CausalLMModelTester):\n    base_model_class = ToyModel\n    causal_lm_class = ToyLM",
            {"ToyModel", "ToyLM", *(f"Toy{role}" for role in test_checks.ROLES.values() if role != "ForCausalLM")},
        ),
        ("base_model_class = ToyModel", set()),
    ],
)  # fmt: skip
def test_a_test_file_names_models_or_lets_its_tester_derive_them(text: str, names: set[str]) -> None:
    assert named_models(tree_of(text)) == names


@pytest.mark.parametrize(
    ("text", "more", "at"),
    [
        ("", {}, []),
        ("class T(unittest.TestCase):\n    all_model_classes = (QualityGateToyModel,)\n", {}, []),
        ("class T:\n    all_model_classes = (QualityGateToyModel,)\n", {}, ["tests: 1: no-tests"]),
        ("class T(TestCase):\n    all_model_classes = (Other,)\n", {}, ["tests: 2: untested-model"]),
        ("class T(TestCase):\n    pass\n", {"check_repo": 'X = ["QualityGateToyModel"]\n'}, []),
    ],
)
def test_models_are_tested(text: str, more: dict[str, str], at: list[str]) -> None:
    assert found(test_checks.tested, modeling=HEADS, tests=text, **more) == at


@pytest.mark.parametrize(
    ("imported", "body", "at"),
    [
        ("ToyModel", "super().forward(x)", []),
        ("ToyModel", "return super().backward(x)", []),  # of another name: the class still has that
        ("ToyLayer", "x = 1\n        return super().forward(x)", ["modular: 6: reference-loses"]),
        ("ToyModel as ToyLayer", "super().forward(x)", []),
        ("Nothing", "super().forward(x)", []),
    ],
)
def test_a_method_that_is_called_above_is_one_of_the_parents(imported: str, body: str, at: list[str]) -> None:
    base = "class ToyModel:\n    def forward(self, x): ...\n\nclass ToyLayer:\n    pass\n"
    parent = imported.rpartition(" ")[2]
    text = (
        f"from ..toy.modeling_toy import {imported}\n\nclass A({parent}):\n    def forward(self, x):\n        {body}\n"
    )
    assert found(reference_checks.called_above, modular=text, base=base) == at
