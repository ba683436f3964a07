"""Names worked off by forks: each comes to its end, and nothing outlives a run."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from processes.spread import spread


def _work(name: str) -> None:
    if name == "dies":
        os._exit(3)
    if name.startswith("/"):  # a process with a child
        child = subprocess.Popen(["sleep", "600"])
        Path(name).write_text(str(child.pid))
        time.sleep(600)


@pytest.mark.parametrize("processes", [1, 3])
def test_every_name_comes_to_its_end(processes: int) -> None:
    names = ["a", "dies", "b", "c"]
    assert sorted(spread(_work, names, processes, 60)) == sorted(names)


def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    started, mark = time.monotonic(), tmp_path / "child"
    assert sorted(spread(_work, [str(mark), "a"], 2, 3)) == [str(mark), "a"]
    assert time.monotonic() - started < 60
    _assert_ended(mark)


def test_nothing_outlives_a_run_that_is_given_up(tmp_path: Path) -> None:
    mark = tmp_path / "child"
    run = spread(_work, ["a", str(mark)], 2, 60)
    assert next(run) == "a"
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.05)
    run.close()
    _assert_ended(mark)


def _assert_ended(mark: Path) -> None:
    status, until = Path(f"/proc/{mark.read_text()}/stat"), time.monotonic() + 30
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)
