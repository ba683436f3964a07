"""`python -m generated.run TOOL`: commands, modules and files know the gated models, and so do their children."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from generated import run


PROBE = "import importlib.util; importlib.util.find_spec('transformers'); import transformers; print('quality_gate_llama' in transformers.CONFIG_MAPPING)"


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a launcher does to its process is undone."""
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])


def ran(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "generated.run", *arguments]
    env = os.environ | {"HF_HUB_OFFLINE": "1"} | environment
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_processes_that_a_file_starts_know_gated_models(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text("print('the hidden one')\n")
    (tmp_path / "tool.py").write_text(
        "import subprocess, sys, beside\nprint(__name__, sys.argv[1:], beside.NAME)\n"
        f"subprocess.run([sys.executable, '-c', {PROBE!r}], check=True, cwd='/')\nsys.exit(3)\n"
    )
    result = ran("tool.py", "--option", "1", folder=tmp_path, PYTHONPATH=str(tmp_path / "other"), PYTHONUNBUFFERED="1")
    assert result.returncode == 3, result.stderr
    said = [line for line in result.stdout.splitlines() if line != "the hidden one"]
    assert said == ["__main__ ['--option', '1'] beside", "True"]
    assert result.stdout.count("the hidden one") == 2  # ours hides no other


def test_a_module_and_an_installed_command(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("import sys\nprint(__name__, sys.argv[1:], 'transformers' in sys.modules)\n")
    assert ran("tool", "a", folder=tmp_path).stdout == "__main__ ['a'] False\n"  # nobody waits for torch in vain
    result = ran("pytest", "--version", folder=tmp_path)
    assert result.returncode == 0 and "pytest" in result.stdout + result.stderr


@pytest.mark.parametrize("tool", ["no_such_tool", "no.such.tool", "no_such_file.py"])
def test_what_is_not_there_is_said(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([tool]) == 2
    assert f"generated.run: {'there is no file ' if tool.endswith('.py') else ''}{tool}" in capsys.readouterr().err


def test_without_torch_its_installation_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = run.importlib.util.find_spec
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name))
    assert run.main(["pytest"]) == 2
    assert "pip install torch" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--help"]) == 0 and "transformers serve" in capsys.readouterr().out
    assert run.main([]) == 2 and "transformers serve" in capsys.readouterr().err


def test_it_names_itself_as_it_was_started(capsys: pytest.CaptureFixture[str]) -> None:
    sys.argv = ["quality-gate run"]
    assert run.main(["--help"]) == 0 and run.main(["no_such_tool"]) == 2
    said = capsys.readouterr()
    assert "quality-gate run lm_eval" in said.out and "generated.run" not in said.out + said.err
    assert said.err.startswith("quality-gate run: no_such_tool is not an installed command and not a module")
