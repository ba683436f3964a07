"""A suite that would skip what the committed one ran is refused: by architecture, test, and the fact that decides."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from facts import peculiar
from facts.project import GENERATED, facts_of
from testgen.cli import main
from testgen.fewer import fewer_tests
from testgen.manifest import NAME, running
from testgen.render import render_tests


SUITES = GENERATED.parent / "tests" / "models"
PACKAGE = "quality_gate_llama"
SUITE = f"test_modeling_{PACKAGE}.py"
NO_CACHE = (r"            cache=outputs\.cache,\n", "")
REASON = "Llama lost its cache"


class Project:
    """The llama of this project as the only model of another one, with its suite and list as they are committed."""

    def __init__(self, folder: Path) -> None:
        self.generated, self.models = folder / "generated", folder / "models"
        shutil.copytree(GENERATED / PACKAGE, self.generated / PACKAGE)
        (self.models / PACKAGE).mkdir(parents=True)
        for name in (SUITE, NAME):
            shutil.copy(SUITES / PACKAGE / name, self.models / PACKAGE)
        self.manifest, self.suite = (self.models / PACKAGE / name for name in (NAME, SUITE))

    def change(self, pattern: str, replacement: str, file: str = "modeling") -> None:
        path = self.generated / PACKAGE / f"{file}_{PACKAGE}.py"
        text, count = re.subn(pattern, replacement, path.read_text())
        assert count, pattern
        path.write_text(text)

    def run(self, *argv: str) -> int:
        return main([*argv, "--all", "--generated", str(self.generated), "--output", str(self.models)])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("mode", [(), ("--check",), ("--force",), ("--manifest",)])
def test_a_fact_that_takes_tests_away_is_refused(
    mode: tuple[str, ...], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = project.suite.read_text()
    project.change(*NO_CACHE)
    assert project.run(*mode) == 2
    said = capsys.readouterr().err
    lines = project.manifest.read_text().splitlines()
    line = 1 + lines.index("TestParity::test_a_cache_equals_the_bases")
    assert f"{NAME}:{line}:1: fewer-tests: llama: `TestParity::test_a_cache_equals_the_bases`, " in said
    assert (
        "`TestGeneration::test_a_text_can_be_taken_up_again` would not be run any more: Llama returns no cache" in said
    )
    assert "what decides: returns_cache = False\n" in said and "--manifest --allow-fewer llama=REASON" in said
    assert project.suite.read_text() == before and project.manifest.read_text().splitlines() == lines


@pytest.mark.parametrize("name", ["llama", "quality_gate_llama", "all"])
def test_a_reason_lets_tests_go(name: str, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.change(*NO_CACHE)
    assert project.run("--allow-fewer", f"{name}={REASON}") == 0
    said = capsys.readouterr()
    assert (
        "warning: " in said.err
        and f"Llama returns no cache; what decides: returns_cache = False; allowed: {REASON}" in said.err
    )
    assert 'skip(reason="Llama returns no cache")' in project.suite.read_text()
    assert project.run("--check") == 2, "until the list, too, is written"
    project.manifest.write_text(
        re.sub(
            r"^(.*(?:cache_equals|a_cache_gives|taken_up).*)$",
            r"\1  # skipped: it is",
            project.manifest.read_text(),
            flags=re.M,
        )
    )
    assert project.run("--check") == 0


def test_a_reason_is_for_one_model(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(GENERATED / "quality_gate_qwen3", project.generated / "quality_gate_qwen3")
    project.change(*NO_CACHE)
    assert project.run("--allow-fewer", f"qwen3={REASON}") == 2
    assert "fewer-tests: llama" in capsys.readouterr().err
    assert (project.models / "quality_gate_qwen3").is_dir(), "the others are written"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--allow-fewer", "llama"], "gives no model and reason"),
        (["--allow-fewer", "llama="], "gives no model and reason"),
        (["--allow-fewer", "llama=so"], "gives no model and reason"),
        (["--allow-fewer", f"={REASON}"], "gives no model and reason"),
        (["--allow-fewer", f"lama={REASON}"], "did you mean `llama`?"),
        (["--allow-fewer", f"llama={REASON}", "--stdout"], "leave out --stdout"),
        (["--allow-fewer", f"llama={REASON}", "--matrix"], "leave out what is about writing them"),
    ],
)
def test_a_permission_without_sense_is_refused(
    argv: list[str], said: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run(*argv) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "test", "decides"),
    [
        ("modeling", "_can_compile_fullgraph = True", "", "TestCompile::test_a_forward_pass_exports", "full_graph = False"),
        ("modeling", "_supports_sdpa = True", "", "kinds_of_attention_agree[sdpa]", "sdpa = False"),
        ("modeling", "_supports_flex_attn = True", "", "kinds_of_attention_agree[flex_attention]", "flex = False"),
        ("modeling", "supports_gradient_checkpointing = True", "", "changes_no_gradient", "checkpoints_gradients = False"),
        ("modeling", r"_no_split_modules = \[.*\]", "_no_split_modules = []", "TestPlans", "names_whole_layers = False"),
        ("modeling", r"\blogits_to_keep: ", "kept: ", "only_the_logits_asked_for", "takes no logits_to_keep"),
        ("modeling", r"\bcache\.update\(", "cache.update_conv_state(", "[static cache]", "has_recurrent_state = True"),
        ("modeling", r"self\.mlp\(hidden_states\)", "self.mlp(hidden_states, 1)", "shut_gate", "a layer has no feed_forward"),
        ("configuration", r"base_model_pp_plan = ", "base_plan = ", "pipeline_parallelism", "pp_plan is empty"),
        ("modeling", '    "QualityGateLlamaForTokenClassification",\n', "", "test_forward[QualityGateLlamaForTokenClassification", "the model has no QualityGateLlamaForTokenClassification"),
    ],
)  # fmt: skip
def test_the_fact_behind_it_is_named(
    file: str,
    pattern: str,
    replacement: str,
    test: str,
    decides: str,
    project: Project,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project.change(pattern, replacement, file)
    assert project.run("--check") == 2
    told = [
        line for line in capsys.readouterr().err.splitlines() if "fewer-tests: llama: " in line and decides in line
    ]
    assert told and test in told[0]


def lost(manifest: str, text: str = "") -> list[str]:
    """What is told of Llama's suite, or of another text, against a list."""
    facts = facts_of("llama")
    (rendered,) = render_tests([(facts, {})])
    return [each.message for each in fewer_tests(facts, text or str(rendered), manifest, NAME)]


def test_what_its_own_file_leaves_out_is_named_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peculiar, "FOLDER", tmp_path)
    (tmp_path / "llama.toml").write_text(
        '[[skip]]\nwhy = "Llama cannot do this"\ntests = ["test_the_seed_decides", "TestPlans"]\n'
        '[[lacks]]\nwhy = "Llama has no such cache"\nfeatures = ["static_cache"]\n'
    )
    first, second = lost((SUITES / PACKAGE / NAME).read_text())
    assert "`TestShapes::test_the_seed_decides`" in first and "`TestPlans::" in first
    assert first.endswith("Llama cannot do this; what decides: [[skip]] of modular/peculiar/llama.toml")
    assert second.endswith("Llama has no such cache; what decides: [[lacks]] of modular/peculiar/llama.toml")
    assert "`TestGeneration::test_texts_equal_the_bases[static cache]` would not" in second


def test_only_what_ran_is_missed() -> None:
    committed = (SUITES / PACKAGE / NAME).read_text()
    assert lost(committed) == [] and len(running(committed)) > 100
    assert lost("# a list\nTestGate::test_another  # skipped: it always was\n") == []
    assert lost("TestGate::test_that_a_template_had\n") == [], "a change of the templates is there to be looked at"
    assert lost("TestLoss::test_the_router_loss_is_added\n") == []


@pytest.mark.parametrize(
    ("test", "decides"),
    [
        ("TestGate::test_router_logits_stay_those_of_the_experts", "returns_router_logits = False"),
        ("TestImages::test_generation", "which models, and inputs of them, there are"),
        ("TestPipelines::test_image_classification", "which models, and inputs of them, there are"),
    ],
)
def test_a_test_that_a_fact_takes_out_of_the_suite_is_missed(test: str, decides: str) -> None:
    if test.startswith("TestImages"):  # any of them
        test = next(
            iter(each for each in running((SUITES / "quality_gate_gemma3" / NAME).read_text()) if "Images" in each)
        )
    (told,) = lost(f"{test}\n")
    assert told == f"llama: `{test}` would not be run any more: the suite no longer has it; what decides: {decides}"


def test_skips_are_seen_wherever_they_stand() -> None:
    text = (
        '@pytest.mark.skip(reason="not one of it")\nclass TestAll:\n    def test_it(self):\n        pass\n\n'
        'class TestSome:\n    @pytest.mark.skip(reason="not this one")\n    def test_it(self):\n        pass\n\n'
        '    @pytest.mark.parametrize("a", ["x", pytest.param("y z", marks=[pytest.mark.fast, pytest.mark.skip(reason="not y")])])\n'
        '    @pytest.mark.parametrize("b", [pytest.param(1, id="one", marks=pytest.mark.skip(reason="not one")), 2])\n'
        "    def test_more(self, a, b):\n        pass\n"
    )
    tests = [
        "TestAll::test_it",
        "TestSome::test_it",
        *(f"TestSome::test_more[{each}]" for each in ("2-x", "2-y z", "one-x")),
    ]
    told = [line.partition(" would not be run any more: ")[2] for line in lost("\n".join(tests), text)]
    assert told == ["not one of it", "not this one", "not y", "not one"]


@pytest.mark.parametrize(
    ("name", "test", "told"),
    [
        ("llama", "test_the_language_modeling_loss_equals_the_bases", True),
        ("llama", "test_an_empty_bank_writes_nothing", False),
        ("memory_gate_llama", "test_an_empty_bank_writes_nothing", True),
        ("memory_gate_llama", "test_a_cache_equals_the_bases", False),
    ],
)
def test_a_test_is_missed_where_templates_of_its_own_kind_have_it(name: str, test: str, told: bool) -> None:
    suite = f"class TestParity:\n    def {test}_(self) -> None: ...\n"
    found = fewer_tests(facts_of(name), suite, f"TestParity::{test}\n", "expected_tests.txt")
    assert [each.code for each in found] == ["fewer-tests"] * told
