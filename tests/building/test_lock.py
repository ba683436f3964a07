"""generated/lock.json says what each model was made from, whatever the way in which it was converted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from building import workspace
from building.cli import main
from building.lock import read_lock
from building.stage import Stage
from toy import make_project, put, toy_convert


ROOT = Path(__file__).resolve().parents[2]
QWEN = "from generated.quality_gate_llama.modeling_quality_gate_llama import VALUE\nVALUE = 10\n"
BASE = "generated.quality_gate_llama.modeling_quality_gate_llama.VALUE"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUALITY_GATE_CACHE_DIR", str(tmp_path / "cache"))
    folder = make_project(tmp_path / "project", llama="VALUE = 1\n", qwen3=QWEN, gemma3="VALUE = 3\n")
    monkeypatch.chdir(folder)
    return folder


def run(project: Path, *argv: str) -> int:
    return main(argv, convert=toy_convert, project=project, stage=Stage(kinds=("attention", "quality")))


def lock(project: Path) -> Path:
    return project / "generated/lock.json"


def test_it_has_an_entry_for_each_model_and_is_sorted(project: Path) -> None:
    run(project, "--all")
    models = json.loads(lock(project).read_text())["models"]
    assert list(models) == ["quality_gate_gemma3", "quality_gate_llama", "quality_gate_qwen3"]
    assert list(models["quality_gate_qwen3"]["made_from"]["definitions"]) == [BASE]
    assert {len(entry["modular"]) for entry in models.values()} == {64}


@pytest.mark.parametrize("how", [("--jobs", "1"), ("--jobs", "3"), ("--no-cache",), ()])
def test_every_way_of_converting_gives_the_same_bytes(project: Path, how: tuple[str, ...]) -> None:
    run(project, "--all")
    expected = lock(project).read_bytes()
    lock(project).unlink()
    for name in ("gemma3", "qwen3", "llama"):  # one at a time, the parent last
        assert run(project, "--model", name, *how) == 0
    assert lock(project).read_bytes() == expected
    lock(project).unlink()
    assert run(project, "--all", *how) == 0
    assert lock(project).read_bytes() == expected


def test_a_model_converted_alone_changes_its_own_entry(project: Path) -> None:
    run(project, "--all")
    before = read_lock(project / "generated")
    put(project / "modular/modular_quality_gate_llama.py", "VALUE = 2\n")
    put(project / "modular/modular_quality_gate_gemma3.py", "VALUE = 4\n")
    assert run(project, "--model", "gemma3") == 0
    after = read_lock(project / "generated")
    assert {name for name in after if after[name] != before[name]} == {"quality_gate_gemma3"}


def test_all_drops_models_that_are_gone_and_keeps_refused_ones(project: Path) -> None:
    run(project, "--all")
    before = read_lock(project / "generated")
    (project / "modular/modular_quality_gate_gemma3.py").unlink()
    put(project / "modular/modular_quality_gate_llama.py", "VALUE = 2\nBOOM\n")
    assert run(project, "--model", "llama") == 2
    assert read_lock(project / "generated") == before
    assert run(project, "--all") == 2
    del before["quality_gate_gemma3"]
    assert read_lock(project / "generated") == before


def test_all_of_one_kind_keeps_what_other_kinds_stand_on(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a user's folder, whose models stand on some that come with the tools."""
    (project / "modular/modular_quality_gate_gemma3.py").unlink()
    home = make_project(project.parent / "home", llama="VALUE = 1\n")
    (project / "modular/modular_quality_gate_llama.py").unlink()
    put(project / "modular/modular_attention_gate_llama.py", "VALUE = 5\n")
    monkeypatch.setattr(workspace, "HOME", home)
    monkeypatch.setattr(workspace, "PROJECT", project)
    run(project, "--all")
    before = read_lock(project / "generated")
    assert sorted(before) == ["attention_gate_llama", "quality_gate_llama", "quality_gate_qwen3"]
    run(project, "--all", "--gate", "attention")
    assert read_lock(project / "generated") == before


def test_check_says_why_a_model_is_stale(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(project, "--all")
    put(project / "modular/modular_quality_gate_llama.py", "VALUE = 2\n")
    capsys.readouterr()
    assert run(project, "--all", "--check", "--table") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "        why: modular_quality_gate_llama.py changed" in lines
    assert "        why: VALUE changed" in lines, "of qwen3, whose own modular file is as it was"
    assert "        why: the entries of quality_gate_llama, quality_gate_qwen3" in lines


def test_a_model_without_an_entry_is_stale(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(project, "--all")
    lock(project).unlink()
    run(project, "--model", "llama")
    capsys.readouterr()
    assert run(project, "--all", "--check", "--table") == 1
    out = capsys.readouterr().out
    assert "lock.json differs\n        why: the entries of quality_gate_gemma3, quality_gate_qwen3\n" in out


def test_an_edited_lock_is_refused_and_all_writes_it_anew(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(project, "--all")
    expected = lock(project).read_text()
    for text in (expected.replace(BASE, BASE + "2"), "<<<<<<< ours\n", "[]", '{"seal": "", "models": {}}'):
        lock(project).write_text(text)
        assert run(project, "--all", "--check") == 2
        assert run(project, "--model", "llama") == 2 and lock(project).read_text() == text
        assert "generated/lock.json:1:1: broken-lock: " in capsys.readouterr().err
        assert run(project, "--all") == 0 and lock(project).read_text() == expected


def test_files_from_elsewhere_and_printed_ones_touch_no_lock(project: Path, tmp_path: Path) -> None:
    assert run(project, "--all", "--stdout") == 0
    assert run(project, "--all", "--check") == 1 and run(project, "--all", "--diff") == 0
    assert run(project, "modular/modular_quality_gate_llama.py", "--output", str(tmp_path / "out")) == 0
    assert not lock(project).exists() and not (tmp_path / "out/lock.json").exists()


def test_runs_at_the_same_time_lose_no_entry(project: Path) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'utils')!r}, {str(ROOT / 'tests')!r}]\n"
        "from pathlib import Path\nfrom building.cli import main\nfrom toy import toy_convert\n"
        f"main(['--model', sys.argv[1], '--no-cache'], convert=toy_convert, project=Path({str(project)!r}))\n"
    )
    names = [f"toy{number}" for number in range(6)]
    for name in names:
        put(project / f"modular/modular_quality_gate_{name}.py", "VALUE = 1\n")
    runs = [
        subprocess.Popen([sys.executable, "-c", code, name], stdout=subprocess.DEVNULL, env=os.environ.copy())
        for name in names
    ]
    assert [one.wait(timeout=120) for one in runs] == [0] * len(names)
    assert sorted(read_lock(project / "generated")) == [f"quality_gate_{name}" for name in names]
