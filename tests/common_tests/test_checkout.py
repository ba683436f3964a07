"""The folder that looks like a checkout, against an installed package of a few lines."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from common_tests.overlay import lay_over
from common_tests.problems import SuiteError
from common_tests.workspace import STANDINS, add_test_of_base, build
from facts import peculiar
from facts.project import GENERATED, facts_of
from test_sdist import archive


MAPPINGS = {
    "auto_mappings.py": 'CONFIG_MAPPING_NAMES = {"gemma3": "Gemma3Config"}\nSPECIAL_MODEL_TYPE_TO_MODULE_NAME = {}\n',
    "modeling_auto.py": (
        'MODEL_MAPPING_NAMES = {"gemma3": "Gemma3Model", "gemma3_text": "Gemma3TextModel"}\n'
        'MODEL_FOR_CAUSAL_LM_MAPPING_NAMES = {"gemma3_text": "Gemma3ForCausalLM", "gemma3": ("Gemma3Model", "NoSuch")}\n'
        'MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES = {"gemma3_text": "NotGated"}\n'
    ),
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    auto = tmp_path / "site" / "transformers" / "models" / "auto"
    auto.mkdir(parents=True)
    (tmp_path / "site" / "transformers" / "__init__.py").write_text("VALUE = 1\n")
    for name, text in MAPPINGS.items():
        (auto / name).write_text(text)
    return tmp_path / "site" / "transformers"


def gemma3() -> tuple[Path, object]:
    facts = facts_of("gemma3")
    return GENERATED / facts.package, facts


def test_generated_models_lie_among_the_installed_ones(installed: Path, tmp_path: Path) -> None:
    lay_over(installed, [gemma3()], tmp_path / "over")
    assert (tmp_path / "over" / "__init__.py").read_text() == "VALUE = 1\n"
    package = tmp_path / "over" / "models" / "quality_gate_gemma3"
    assert package.is_symlink() and package.samefile(GENERATED / "quality_gate_gemma3")
    for name, text in MAPPINGS.items():  # what is installed is left alone
        assert (installed / "models" / "auto" / name).read_text() == text


def test_auto_classes_know_what_they_know_of_the_base(installed: Path, tmp_path: Path) -> None:
    lay_over(installed, [gemma3()], tmp_path / "over")
    auto = tmp_path / "over" / "models" / "auto"
    configs = runpy.run_path(str(auto / "auto_mappings.py"))
    assert configs["CONFIG_MAPPING_NAMES"]["quality_gate_gemma3_text"] == "QualityGateGemma3TextConfig"
    assert configs["SPECIAL_MODEL_TYPE_TO_MODULE_NAME"] == {"quality_gate_gemma3_text": "quality_gate_gemma3"}
    models = runpy.run_path(str(auto / "modeling_auto.py"))
    assert models["MODEL_MAPPING_NAMES"]["quality_gate_gemma3"] == "QualityGateGemma3Model"
    language = models["MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"]
    assert language["quality_gate_gemma3_text"] == "QualityGateGemma3ForCausalLM"
    assert language["quality_gate_gemma3"] == "QualityGateGemma3Model"
    assert list(models["MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES"]) == ["gemma3_text"]


def test_standins_take_only_empty_places(installed: Path, tmp_path: Path) -> None:
    own = {"tests/test_modeling_common.py": "A = 1\n", "tests/generation/test_utils.py": "OWN = True\n"}
    sdist = archive(tmp_path / "any.tar.gz", own)
    workspace = build(tmp_path / "work", installed, sdist, [gemma3()])
    assert workspace.shipped == ("generation/test_utils.py", "test_modeling_common.py")
    assert "causal_lm_tester.py" in workspace.stood_in and "generation/test_utils.py" not in workspace.stood_in
    tests = tmp_path / "work" / "tests"
    assert (tests / "generation" / "test_utils.py").read_text() == "OWN = True\n"
    packages = ("", "generation", "models", "models/quality_gate_gemma3")
    assert all((tests / folder / "__init__.py").exists() for folder in packages)
    build(tmp_path / "work", installed, sdist, [])
    assert not (tests / "models" / "quality_gate_gemma3").exists()


def test_a_package_without_a_test_file_is_told(installed: Path, tmp_path: Path) -> None:
    sdist = archive(tmp_path / "any.tar.gz", {"tests/test_modeling_common.py": ""})
    _, facts = gemma3()
    shutil.copytree(GENERATED / facts.package, tmp_path / facts.package)
    configuration = tmp_path / facts.package / f"configuration_{facts.package}.py"
    configuration.write_text(configuration.read_text().replace("checkpoint=", "point="))
    workspace = build(tmp_path / "work", installed, sdist, [(tmp_path / facts.package, facts)])
    assert list(workspace.unwritten) == [facts.package] and "checkpoint" in workspace.unwritten[facts.package]


def test_a_test_that_transformers_no_longer_has_is_told(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = "class ModelTesterMixin:\n    def test_models_are_small(self):\n        pass\n"
    sdist = archive(tmp_path / "any.tar.gz", {"tests/test_modeling_common.py": common})
    monkeypatch.setattr(peculiar, "FOLDER", tmp_path)
    for name, unwritten in (("test_models_are_small", []), ("test_model_are_small", ["quality_gate_gemma3"])):
        entry = f'[[pull_request.skip]]\nwhy = "The base is large, too"\ntests = ["{name}"]\n'
        (tmp_path / "gemma3.toml").write_text(entry)
        told = build(tmp_path / "work", installed, sdist, [gemma3()]).unwritten
        assert list(told) == unwritten
    assert "gemma3.toml:3:11: stale-peculiarity: `test_model_are_small` is not a test" in told["quality_gate_gemma3"]
    assert "did you mean `test_models_are_small`?" in told["quality_gate_gemma3"]


def test_a_folder_of_somebody_else_is_left_alone(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").touch()
    with pytest.raises(SuiteError, match="was not made by this command"):
        build(tmp_path / "work", installed, tmp_path / "any.tar.gz", [])
    assert (tmp_path / "work" / "thesis.tex").exists()


def test_the_same_tests_of_the_base(installed: Path, tmp_path: Path) -> None:
    sdist = archive(tmp_path / "any.tar.gz", {"tests/test_modeling_common.py": ""})
    folder, facts = gemma3()
    build(tmp_path / "work", installed, sdist, [(folder, facts)])
    text = (tmp_path / "work" / add_test_of_base(tmp_path / "work", facts)).read_text()
    compile(text, "test", "exec")
    assert "class Gemma3TextModelTest(CausalLMModelTest" in text and "QualityGate" not in text


def test_the_base_is_asked_for_missing_weights_whatever_year_its_files_say(installed: Path, tmp_path: Path) -> None:
    sdist = archive(tmp_path / "any.tar.gz", {"tests/test_modeling_common.py": ""})
    folder, facts = gemma3()
    build(tmp_path / "work", installed, sdist, [(folder, facts)])
    text = (tmp_path / "work" / add_test_of_base(tmp_path / "work", facts)).read_text()
    assert text.startswith("# Copyright 2") and "def test_can_init_all_missing_weights(" in text
    method = re.search(r"    def test_can_init_all_missing_weights.*?super\(\)\.\w+\(\)\n", text, re.DOTALL)
    here, of_config = tmp_path / "asked.py", tmp_path / "config.py"
    of_config.write_text("class Config: ...\n\n\nclass Other: ...\n")
    said = "self.said = [inspect.getfile(kind) for kind in (Config, Other)]"
    shared = f"class Shared:\n    def test_can_init_all_missing_weights(self):\n        {said}\n"
    tester = "class Tester:\n    def prepare_config_and_inputs_for_common(self):\n        return Config(), {}\n"
    here.write_text(
        f"import inspect\nfrom config import Config, Other\n\n\n{shared}\n\n{tester}\n\n"
        f"class Tests(Shared):\n    model_tester = Tester()\n\n{method and method[0]}"
        "\n\ntests = Tests()\ntests.test_can_init_all_missing_weights()\n"
    )
    asked = subprocess.run(
        [sys.executable, "-c", "import asked; print(*asked.tests.said)"], cwd=tmp_path, capture_output=True, text=True
    )
    assert asked.stdout.split() == [str(here), str(of_config)], asked.stderr


def test_standins_say_what_they_are() -> None:
    for path in STANDINS.rglob("*.py"):
        text = path.read_text()
        assert not text or "of this project's own writing" in text.split('"""')[1].replace("\n", " "), path


def test_auto_classes_know_causal_language_models_by_the_older_name(installed: Path, tmp_path: Path) -> None:
    auto = installed / "models" / "auto" / "modeling_auto.py"
    auto.write_text('MODEL_FOR_CAUSAL_LM_MAPPING_NAMES = {"gpt2": "GPT2LMHeadModel"}\n')
    facts = facts_of("gpt2")
    lay_over(installed, [(GENERATED / facts.package, facts)], tmp_path / "over")
    models = runpy.run_path(str(tmp_path / "over" / "models" / "auto" / "modeling_auto.py"))
    assert models["MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"]["quality_gate_gpt2"] == "QualityGateGPT2ForCausalLM"
