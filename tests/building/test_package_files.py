"""generated/__init__.py is the template, sealed, and is written and checked along with the models."""

from __future__ import annotations

from pathlib import Path

import pytest
from building.cli import main
from building.package_files import TEMPLATE
from toy import make_project, put, toy_convert

from converter.banner import is_edited, is_sealed


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUALITY_GATE_CACHE_DIR", str(tmp_path / "cache"))
    folder = make_project(tmp_path / "project", llama="VALUE = 1\n")
    put(folder / TEMPLATE, (ROOT / TEMPLATE).read_text())
    monkeypatch.chdir(folder)
    return folder


def run(project: Path, *argv: str) -> int:
    return main(argv, convert=toy_convert, project=project)


def test_it_is_written_with_any_model_and_sealed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(project, "--model", "llama") == 0
    assert capsys.readouterr().out.splitlines()[0] == "wrote   generated: __init__.py"
    text = (project / "generated/__init__.py").read_text()
    assert is_sealed(text) and not is_edited(text)
    assert text.splitlines()[3:] == (ROOT / TEMPLATE).read_text().splitlines()[3:]


def test_a_change_of_the_template_is_found_and_followed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(project, "--all")
    template = project / TEMPLATE
    template.write_text(template.read_text() + "MORE = 1\n")
    capsys.readouterr()
    assert run(project, "--all", "--check") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "3 of 4 files identical"
    assert run(project, "--all") == 0
    assert (project / "generated/__init__.py").read_text().endswith("MORE = 1\n")
    assert run(project, "--all", "--check") == 0


def test_an_edited_one_is_kept(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(project, "--all")
    path = project / "generated/__init__.py"
    path.write_text(path.read_text() + "MINE = 1\n")
    template = project / TEMPLATE
    template.write_text(template.read_text() + "MORE = 1\n")
    assert run(project, "--all") == 2
    assert "generated/__init__.py:1:1: edited-output:" in capsys.readouterr().err
    assert path.read_text().endswith("MINE = 1\n")
    assert run(project, "--all", "--force") == 0
    assert path.read_text().endswith("MORE = 1\n")


def test_a_single_file_elsewhere_brings_none(project: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert run(project, "modular/modular_quality_gate_llama.py", "--output", str(output)) == 0
    assert not (tmp_path / "__init__.py").exists() and not (project / "generated/__init__.py").exists()
    assert "template" not in (output / "__init__.py").read_text()
