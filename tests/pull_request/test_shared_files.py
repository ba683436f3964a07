"""Which lines of the shared files a model gets, and what its pull request is called: on made-up models, without an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from facts.values import Abilities, ConfigFacts, FieldFacts, LayerFacts, ModelClass, ModelFacts
from pull_request.body import Evidence, commit_message, title_of
from pull_request.compose import Export
from pull_request.difference import Change, changes
from pull_request.edits.mappings import read_tables
from pull_request.layout import (
    AUTO_MAPPINGS,
    CONFIGURATION_AUTO,
    MODELING_AUTO,
    MODELS_INIT,
    TOCTREE,
    configuration_path,
    modeling_path,
    modular_path,
)
from pull_request.parents import homes, parents
from pull_request.patch import toctree_hunks
from pull_request.repository import branch_name
from pull_request.shared import page_of_base, shared_files, tables_of, unread_fields, with_configs, with_docstrings
from pull_request.values import Model, Tree, base_in, kind_in


NAME = "quality_gate_toy"
CONFIG = ConfigFacts("QualityGateToyConfig", NAME, {"size": FieldFacts("int", "1"), "w_var": FieldFacts("float", "1")})
MODELS = (
    ModelClass("QualityGateToyModel", "Model", CONFIG.name),
    ModelClass("QualityGateToyForCausalLM", "ForCausalLM", CONFIG.name),
    ModelClass("QualityGateToyForLooking", "ForLooking", CONFIG.name),
)
LAYER = LayerFacts("QualityGateToyLayer", True, False, "norm", "mlp", ("norm", "mlp"))
FACTS = ModelFacts(
    name="toy",
    package=NAME,
    prefix="QualityGateToy",
    base_prefix="Toy",
    configs={CONFIG.name: CONFIG},
    text_config=CONFIG,
    models=MODELS,
    text_model=MODELS[0],
    causal_lm=MODELS[1],
    layers=(LAYER,),
    gate="QualityGateToyGate",
    cache="cache",
    abilities=Abilities(*[True] * 19),
)


def tree(tmp_path: Path, **texts: str) -> Tree:
    """A tree that has nothing but these files, by the names of their paths' constants."""
    paths = {"init": MODELS_INIT, "configs": AUTO_MAPPINGS, "older": CONFIGURATION_AUTO, "models": MODELING_AUTO}
    paths |= {"toctree": TOCTREE, "modeling": modeling_path(NAME), "configuration": configuration_path(NAME)}
    paths |= {"base": modeling_path("toy"), "base_config": configuration_path("toy"), "modular": modular_path(NAME)}
    return Tree(tmp_path / "src", tmp_path, "5.0.0", {paths[name]: text for name, text in texts.items()})


def table(name: str, **entries: str) -> str:
    lines = "".join(f'        ("{key}", "{value}"),\n' for key, value in entries.items())
    return f"{name} = OrderedDict(\n    [\n{lines}    ]\n)\n"


def entries(text: str) -> Mapping[str, Mapping[str, str]]:
    return {name: each.values for name, each in read_tables(text).items()}


TABLES = (
    table("MODEL_MAPPING_NAMES", toy="ToyModel", other="OtherModel")
    + table("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", other="OtherForCausalLM")
    + table("MODEL_FOR_LOOKING_MAPPING_NAMES", toy="ToyForLooking")
    + table("MODEL_FOR_LOOKING_AGAIN_MAPPING_NAMES", toy="ToyForLooking", zoo="ZooForLooking")
    + table("TOKENIZER_MAPPING_NAMES", toy="ToyTokenizer")
)


def test_only_files_that_the_tree_has_and_that_change_are_made(tmp_path: Path) -> None:
    assert shared_files(FACTS, tree(tmp_path)) == {}
    head, init = "if TYPE_CHECKING:\n", "    from .toy import *\n"
    found = shared_files(FACTS, tree(tmp_path, init=head + init, toctree="- local: index\n", models="X = 1\n"))
    assert found == {MODELS_INIT: f"{head}    from .{NAME} import *\n{init}"}
    assert shared_files(FACTS, tree(tmp_path, init=found[MODELS_INIT])) == {}


def test_a_model_is_in_all_tables_of_its_base_and_else_in_that_of_its_task(tmp_path: Path) -> None:
    found = entries(shared_files(FACTS, tree(tmp_path, models=TABLES))[MODELING_AUTO])
    assert {name: each[NAME] for name, each in found.items() if NAME in each} == {
        "MODEL_MAPPING_NAMES": "QualityGateToyModel",
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES": "QualityGateToyForCausalLM",
        "MODEL_FOR_LOOKING_MAPPING_NAMES": "QualityGateToyForLooking",
        "MODEL_FOR_LOOKING_AGAIN_MAPPING_NAMES": "QualityGateToyForLooking",
    }
    assert tables_of(replace(MODELS[2], name="QualityGateToyForDreaming"), NAME, []) == set()


def test_of_two_models_for_one_place_the_one_whose_base_is_there_has_it(tmp_path: Path) -> None:
    older = replace(MODELS[1], name="QualityGateToyLMHeadModel")
    facts = replace(FACTS, models=(MODELS[1], older))
    text = table("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", toy="ToyLMHeadModel")
    found = entries(shared_files(facts, tree(tmp_path, models=text))[MODELING_AUTO])
    assert found["MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"][NAME] == "QualityGateToyLMHeadModel"


@pytest.mark.parametrize(("at", "path"), [("configs", AUTO_MAPPINGS), ("older", CONFIGURATION_AUTO)])
def test_configurations_are_where_the_release_keeps_them(tmp_path: Path, at: str, path: str) -> None:
    found = shared_files(FACTS, tree(tmp_path, **{at: table("CONFIG_MAPPING_NAMES", toy="ToyConfig")}))
    assert list(found) == [path] and entries(found[path])["CONFIG_MAPPING_NAMES"][NAME] == CONFIG.name


def test_where_there_is_a_generated_table_the_one_by_hand_stays(tmp_path: Path) -> None:
    text = table("CONFIG_MAPPING_NAMES", toy="ToyConfig")
    assert list(shared_files(FACTS, tree(tmp_path, configs=text, older=text))) == [AUTO_MAPPINGS]


def test_a_model_type_that_is_no_folder_names_its_folder() -> None:
    text_config = replace(CONFIG, name="QualityGateToyTextConfig", model_type="quality_gate_toy_text")
    facts = replace(FACTS, configs={each.name: each for each in (CONFIG, text_config)})
    text = table("CONFIG_MAPPING_NAMES", zoo="ZooConfig") + table("SPECIAL_MODEL_TYPE_TO_MODULE_NAME", zoo_text="zoo")
    assert entries(with_configs(text, facts)) == {
        "CONFIG_MAPPING_NAMES": {NAME: CONFIG.name, "quality_gate_toy_text": text_config.name, "zoo": "ZooConfig"},
        "SPECIAL_MODEL_TYPE_TO_MODULE_NAME": {"quality_gate_toy_text": NAME, "zoo_text": "zoo"},
    }


def test_docstrings_find_a_configuration_by_its_folder_unless_that_is_no_model_type() -> None:
    text = 'HARDCODED_CONFIG_FOR_MODELS = {\n    "zoo": "ZooConfig",\n}\n'
    assert with_docstrings(text, FACTS) == text
    config = replace(CONFIG, model_type="quality_gate_toy-1")
    facts = replace(FACTS, configs={config.name: config}, text_config=config)
    assert with_docstrings(text, facts) == (
        'HARDCODED_CONFIG_FOR_MODELS = {\n    "zoo": "ZooConfig",\n    "quality-gate-toy": "QualityGateToyConfig",\n}\n'
    )


@pytest.mark.parametrize(
    ("configs", "folders", "page"),
    [
        ({"toy": "ToyConfig"}, {}, "toy"),
        ({"toy-1": "ToyConfig"}, {"toy-1": "toy"}, "toy-1"),
        ({"toy-vision": "V", "toy-1": "T"}, {"toy-vision": "toy", "toy-1": "toy"}, "toy-1"),
        ({"other": "OtherConfig"}, {"other-1": "other"}, "toy"),
    ],
)
def test_a_page_of_a_base_is_found_by_its_model_type(
    tmp_path: Path, configs: dict[str, str], folders: dict[str, str], page: str
) -> None:
    text = table("CONFIG_MAPPING_NAMES", **configs) + table("SPECIAL_MODEL_TYPE_TO_MODULE_NAME", **folders)
    for at in ("configs", "older"):
        assert page_of_base(FACTS, tree(tmp_path, **{at: text})) == page
    assert page_of_base(FACTS, tree(tmp_path)) == "toy"


def test_fields_that_nobody_reads_are_the_gates_own_or_such_as_the_base_reads(tmp_path: Path) -> None:
    """`theirs` is read by heads of the base that have no gates; `unread` the base leaves unread, and is excepted."""
    fields = ("size", "theirs", "unread", "w_var", "w_new")
    config = replace(CONFIG, fields={name: FieldFacts("int", "1") for name in fields})
    facts = replace(FACTS, configs={config.name: config})
    declared = "class {}(PreTrainedConfig):\n" + "".join(f"    {name}: int = 1\n" for name in fields[:3])
    found = tree(
        tmp_path,
        modeling="def f(config): return config.size + config.w_var\n",
        base="def f(config): return config.size\ndef g(self): return getattr(self.config, 'theirs')\n",
        configuration=declared.format(config.name),
        base_config=declared.format("ToyConfig"),
    )
    assert unread_fields(facts, found) == {config.name: ["theirs", "w_new"]}


OURS = '''
QUALITY = 1

def helper(x):
    """Helps a lot. And more."""
    return x

class QualityGateToyGate(nn.Module):
    """Scores | tokens.

    And more."""
    def forward(self, x):
        return x

class QualityGateToyLayer(nn.Module):
    size = 2
    def __init__(self, config):
        self.mlp = QualityGateToyMLP(config)
        self.gate = QualityGateToyGate(config)
    @once
    def forward(self, x):
        """Docstrings do not count."""
        return self.mlp(x)  # nor do comments

class QualityGateToyMLP(nn.Module):
    """Another text."""
'''
THEIRS = """
class ToyLayer(nn.Module):
    size = 1
    def __init__(self, config):
        self.mlp = ToyMLP(config)
    def forward(self, x):
        return self.mlp(
            x
        )
    def old(self):
        return 1

class ToyMLP(nn.Module):
    pass
"""


def test_changes_are_told_by_class_and_part(tmp_path: Path) -> None:
    layer = "`QualityGateToyLayer`"
    assert changes(FACTS, tree(tmp_path, modeling=OURS, base=THEIRS)) == [
        Change("module", "`helper`, new", 2, 0, "Helps a lot."),
        Change("`QualityGateToyGate`", "new class", 2, 0, "Scores \\| tokens."),
        Change(layer, "attributes", 1, 1, "`size = 2`"),
        Change(layer, "`__init__`", 1, 0, "`self.gate = QualityGateToyGate(config)`"),
        Change(layer, "`forward`", 1, 0, "decorated: `@once`"),
        Change(layer, "`old`, gone", 0, 2, ""),
    ]
    assert changes(FACTS, tree(tmp_path)) == []


def test_many_lines_are_told_by_the_names_that_they_assign_or_not_at_all(tmp_path: Path) -> None:
    fields = "".join(f"    field_{number}: int = {number}\n" for number in range(6))
    base, ours = "class ToyConfig(Base):\n    pass\n", f"class QualityGateToyConfig(Base):\n{fields}"
    [change] = changes(FACTS, tree(tmp_path, configuration=ours, base_config=base))
    assert change == Change(
        "`QualityGateToyConfig`", "attributes", 6, 0, ", ".join(f"`field_{number}`" for number in range(6))
    )
    calls = "".join(f"        self.call({number})\n" for number in range(6))
    method = "class {}(Base):\n    def f(self):\n        self.first()\n"
    ours = method.format("QualityGateToyConfig") + calls
    [change] = changes(FACTS, tree(tmp_path, configuration=ours, base_config=method.format("ToyConfig")))
    assert (change.part, change.added, change.says) == ("`f`", 6, "")


@pytest.mark.parametrize(
    ("names", "branch"),
    [
        (["quality_gate_llama"], "add-quality-gate-llama"),
        (["quality_gate_qwen3_moe", "quality_gate_gemma3"], "add-quality-gate-gemma3-qwen3-moe"),
        (["memory_gate_qwen3"], "add-quality-gate-memory-gate-qwen3"),
    ],
)
def test_branches_are_named_after_their_models(names: list[str], branch: str) -> None:
    assert branch_name(names) == branch


def exported(name: str, prefix: str, base: str) -> Export:
    return Export(Model(name, "", "", ()), replace(FACTS, prefix=prefix, base_prefix=base), {}, {}, ())


ONE = exported("quality_gate_toy", "QualityGateToy", "Toy")
TWO = exported("memory_gate_zoo", "MemoryGateZoo", "Zoo")


@pytest.mark.parametrize(
    ("exports", "message"),
    [
        ([ONE], "Add QualityGateToy\n\n* QualityGateToy: Toy with a quality gate in every decoder layer\n"),
        (
            [ONE, TWO],
            "Add QualityGateToy and MemoryGateZoo\n\n* QualityGateToy: Toy with a quality gate\n"
            "* MemoryGateZoo: Zoo with a memory gate\n",
        ),
    ],
)
def test_a_commit_names_its_models(exports: list[Export], message: str) -> None:
    assert commit_message(exports) == message
    assert title_of([*exports, ONE]).endswith(" and QualityGateToy")


def test_three_models_are_a_list() -> None:
    assert title_of([ONE, TWO, ONE]) == "Add QualityGateToy, MemoryGateZoo and QualityGateToy"
    assert Evidence().findings is None


def test_entries_for_a_table_that_is_not_at_hand_are_a_hunk_for_each_neighbour() -> None:
    text = toctree_hunks({"b": ("Zebra", "llama"), "a": ("apple", "llama"), "c": ("C", "gemma3")})
    assert text.splitlines()[:3] == [f"diff --git a/{TOCTREE} b/{TOCTREE}", f"--- a/{TOCTREE}", f"+++ b/{TOCTREE}"]
    assert text.partition("+++ ")[2].splitlines()[1:] == [
        "@@ -2,1 +2,3 @@",
        "+      - local: model_doc/c",
        "+        title: C",
        "       - local: model_doc/gemma3",
        "@@ -2,1 +2,5 @@",
        "+      - local: model_doc/a",
        "+        title: apple",
        "+      - local: model_doc/b",
        "+        title: Zebra",
        "       - local: model_doc/llama",
    ]


@pytest.mark.parametrize(
    ("statement", "parent", "home"),
    [
        ("from ..quality_gate_llama.modeling_quality_gate_llama import A", "quality_gate_llama", True),
        ("from ..quality_gate_llama.configuration_quality_gate_llama import A", "quality_gate_llama", False),
        ("from ..llama.modeling_llama import A", "", False),
        ("from ...quality_gate_llama.modeling_quality_gate_llama import A", "", False),
        ("from ..quality_gate_llama import A", "", False),
        ("import quality_gate_llama.modeling_quality_gate_llama", "", False),
        ("from .. import A", "", False),
    ],
)
def test_parents_are_gated_models_beside_a_file(statement: str, parent: str, home: bool) -> None:
    text = f"{statement}\n{statement}, B\n" if statement.startswith("from") else statement
    assert parents(text) == ([parent] if parent else []) and homes(text) == ([parent] if home else [])


@pytest.mark.parametrize(
    ("name", "kind", "base"),
    [
        ("quality_gate_llama", "quality", "llama"),
        ("memory_gate_qwen3_moe", "memory", "qwen3_moe"),
        ("quality_gate_my_gate_x", "quality", "my_gate_x"),
        ("llama", "", "llama"),
        ("quality_gate_", "", "quality_gate_"),
        ("_gate_llama", "", "_gate_llama"),
    ],
)
def test_names_say_kind_and_base(name: str, kind: str, base: str) -> None:
    assert (kind_in(name), base_in(name)) == (kind, base)
    assert Model(name, "", "", ()).base == base


def test_a_tree_is_the_package_what_is_around_it_and_what_is_changed(tmp_path: Path) -> None:
    package = tmp_path / "elsewhere"
    (package / "models").mkdir(parents=True)
    (package / "models" / "a.py").write_text("installed", encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("ü", encoding="utf-8")
    alone, whole = Tree(package, None, "5"), Tree(package, tmp_path, "5")
    assert alone.read("src/transformers/models/a.py") == whole.read("src/transformers/models/a.py") == "installed"
    assert (alone.read("docs/a.md"), whole.read("docs/a.md")) == (None, "ü")
    assert whole.read("src/transformers/models") is None and whole.read("docs/b.md") is None
    assert alone.place("docs/a.md") is None and alone.place("src/transformers/b.py") == package / "b.py"
    changed = alone.with_changes({"docs/a.md": "first", "b": "b"}).with_changes({"docs/a.md": "second"})
    assert (changed.read("docs/a.md"), changed.read("b"), alone.read("b")) == ("second", "b", None)
