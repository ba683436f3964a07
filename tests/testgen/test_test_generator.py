"""The command line of the test generator: it writes, compares and refuses as the converter does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from facts.project import GENERATED, generated_models, packages_of_others
from showcase.smoke import tiny_model
from testgen.cli import main
from testgen.suites import suite


SUITES = GENERATED.parent / "tests" / "models"


@pytest.fixture
def project(tmp_path: Path) -> list[str]:
    """Options that take the llama of this project for the only model of another one."""
    shutil.copytree(GENERATED / "quality_gate_llama", tmp_path / "generated" / "quality_gate_llama")
    return ["--generated", str(tmp_path / "generated"), "--output", str(tmp_path / "models")]


def rendered(tmp_path: Path) -> Path:
    return tmp_path / "models" / "quality_gate_llama" / "test_modeling_quality_gate_llama.py"


def test_the_suites_of_this_project_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--all", "--check"]) == 0
    count = len(generated_models()) + len(packages_of_others())
    assert capsys.readouterr().out.splitlines()[-1] == f"{count} of {count} files identical"


def test_every_suite_on_disk_belongs_to_a_model() -> None:
    folders = {path.parent.name for path in SUITES.glob("*/test_*.py")}
    assert folders == {*(f"quality_gate_{name}" for name in generated_models()), *packages_of_others()}


def test_what_is_written_is_what_the_project_has(project: list[str], tmp_path: Path) -> None:
    assert main(["--all", *project]) == 0
    here = SUITES / "quality_gate_llama" / "test_modeling_quality_gate_llama.py"
    assert rendered(tmp_path).read_text() == here.read_text()
    assert main(["--model", "llama", "--check", *project]) == 0


def test_a_missing_and_a_stale_suite_are_told(
    project: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--all", "--check", *project]) == 1
    assert "test_modeling_quality_gate_llama.py is missing" in capsys.readouterr().out
    main(["--all", *project])
    modeling = tmp_path / "generated" / "quality_gate_llama" / "modeling_quality_gate_llama.py"
    modeling.write_text(modeling.read_text().replace("_supports_sdpa = True", "_supports_sdpa = False"))
    assert main(["--all", "--check", *project]) == 1
    printed = capsys.readouterr().out
    assert "test_modeling_quality_gate_llama.py differs" in printed
    assert '+            pytest.param("sdpa", marks=pytest.mark.skip(reason=' in printed


def test_edited_suites_are_kept(project: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--all", *project])
    fresh = rendered(tmp_path).read_text()
    rendered(tmp_path).write_text(fresh + "# by hand\n")
    assert main(["--all", *project]) == 2
    assert "edited-output" in capsys.readouterr().err
    assert rendered(tmp_path).read_text().endswith("# by hand\n")
    assert main(["--all", "--force", *project]) == 0
    assert rendered(tmp_path).read_text() == fresh


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "say for which models"),
        (["--all", "--model", "llama"], "leave out --model"),
        (["--all", "--check", "--force"], "leave out --stdout, --force"),
        (["--all", "--flavour", "upstream"], "add --stdout"),
        (["--all", "--matrix", "--check"], "leave out what is about writing them"),
        (["--all", "--manifest", "--stdout"], "leave out --stdout"),
        (["--model", "lama"], "unknown-model: there is no generated 'lama'"),
        (["--model", "Llama"], "bad-model: there is no generated 'Llama'"),
        (["--all", "--generated", "nowhere"], "nothing-generated"),
    ],
)
def test_what_makes_no_sense_is_refused(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert said in capsys.readouterr().err


def test_a_model_without_gates_is_refused_by_name(project: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    modeling = folder / "quality_gate_llama" / "modeling_quality_gate_llama.py"
    modeling.write_text(modeling.read_text().replace("self.quality_gate", "self.scorer"))
    problem = suite("llama", folder, tmp_path / "models").problems[0]
    assert problem.code == "no-facts" and "`quality_gate`" in problem.message
    assert main(["--all", *project]) == 2 and not rendered(tmp_path).exists()


def test_both_flavours_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "llama", "--stdout"]) == 0
    assert "class TestGate:" in capsys.readouterr().out
    assert main(["--model", "llama", "--stdout", "--flavour", "upstream"]) == 0
    assert "CausalLMModelTest" in capsys.readouterr().out


def test_a_model_that_was_made_before_changes_no_suite(capsys: pytest.CaptureFixture[str]) -> None:
    """Moshi's configuration writes into the dict that it is given, which was the table's own once."""
    tiny_model("moshi")
    assert main(["--model", "moshi", "--check"]) == 0, capsys.readouterr().out
