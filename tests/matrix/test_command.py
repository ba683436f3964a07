"""The command, as a whole, on two architectures: one that can be gated and one that cannot."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[2]


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "utils" / "architecture_matrix.py"), *argv]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ.copy(), check=False)


def test_architectures_are_made_tested_and_remembered(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "architectures.md").read_bytes() if (ROOT / "docs" / "architectures.md").exists() else b""
    argv = ("--model", "qwen3", "--model", "mamba", "--fast", "--jobs", "2", "--work", str(tmp_path))
    first = run(*argv)
    assert first.returncode == 0, first.stderr
    lines = sorted(line for line in first.stderr.splitlines() if line)
    assert lines[0] == "2 all, 1 gated, 0 failing, 0 stuck, 1 refused"
    assert lines[1].startswith("gated    qwen3: ") and " 0 failed" in lines[1]
    assert lines[2].startswith("refused  mamba: no-feed-forward: ") and "modeling_mamba.py:" in lines[2]
    kept = tmp_path / "results/fast/qwen3.json"
    row = json.loads(kept.read_text())["row"]
    assert row["places"] and (row["tests"]["layers"], row["tests"]["parameters"]) == (32, 32 * 4096)
    kept.write_text(kept.read_text().replace('"passed": ', '"passed": 1000'))  # nothing is tested again
    assert "qwen3: 1000" in run(*argv).stderr
    log = next(tmp_path.glob("project/logs/fast/qwen3.txt")).read_text()
    assert " passed" in log
    assert not page or (ROOT / "docs" / "architectures.md").read_bytes() == page, "a page is of all architectures"


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    handle = os.open(tmp_path / "project", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    done = run("--model", "mamba", "--work", str(tmp_path))
    os.close(handle)
    assert done.returncode == 2 and "another run is at work in" in done.stderr and "--work" in done.stderr


@pytest.mark.parametrize(
    ("argv", "says"),
    [(["--model", "mistrall"], "did you mean mistral?"), (["--jobs", "many"], "invalid int value")],
)
def test_senseless_commands_are_refused(argv: list[str], says: str) -> None:
    done = run(*argv)
    assert done.returncode == 2 and says in done.stderr
