"""Names worked off by forks: each comes to its end, and nothing outlives a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from processes.spread import forked, spread


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
    done = {ended.name: ended.status for ended in spread(_work, names, processes, 60)}
    assert done == {"a": 0, "b": 0, "c": 0, "dies": 3}


def test_work_that_raises_fails_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    def work(name: str) -> None:
        raise LookupError(f"no {name}") if name == "a" else SystemExit(7)

    assert [(ended.name, ended.status) for ended in spread(work, ["a", "b"], 1, 60)] == [("a", 1), ("b", 7)]
    assert "LookupError: no a" in capfd.readouterr().err


def test_a_process_of_a_pool_can_spread_as_well() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        assert pool.submit(_nested).result() == ["a"]


def test_an_interrupt_while_a_process_begins_ends_that_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes at once behind the fork, before anybody has noted the process."""
    fork, mark = os.fork, tmp_path / "child"

    def interrupted() -> int:
        process = fork()
        if process:
            os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setattr(os, "fork", interrupted)
    monkeypatch.setattr("processes.spread._end", lambda process: ended.append(process) or os.kill(process, 9))
    ended: list[int] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in a background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            list(spread(_work, [str(mark)], 1, 60))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(ended) == 1
    os.waitpid(ended[0], 0)


def _nested() -> list[str]:
    return [ended.name for ended in spread(_work, ["a"], 1, 60)]


def test_no_more_run_at_once_than_may(tmp_path: Path) -> None:
    def count(name: str) -> None:
        (tmp_path / name).touch()
        time.sleep(0.2)
        (tmp_path.parent / f"{name}.count").write_text(str(len(list(tmp_path.iterdir()))))
        (tmp_path / name).unlink()

    names = [f"one{number}" for number in range(5)]
    assert sorted(each.name for each in spread(count, names, 2, 60)) == names
    counts = [int((tmp_path.parent / f"{name}.count").read_text()) for name in names]
    assert max(counts) == 2 and min(counts) >= 1


def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    started, mark = time.monotonic(), tmp_path / "child"
    done = {ended.name: ended.status for ended in spread(_work, [str(mark), "a"], 2, 3)}
    assert done == {str(mark): -signal.SIGKILL, "a": 0}
    assert time.monotonic() - started < 60
    _assert_ended(mark)


def test_a_fork_says_how_it_ended() -> None:
    assert forked(lambda: None) == 0
    assert forked(lambda: sys.exit(4)) == 4
    assert forked(lambda: os.kill(os.getpid(), signal.SIGTERM)) == -signal.SIGTERM


def test_a_fork_within_work_ends_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "fork"

    def inner() -> None:
        mark.write_text(str(os.getpid()))
        time.sleep(600)

    [done] = spread(lambda _: sys.exit(forked(inner)), ["a"], 1, 3)
    assert done.status == -signal.SIGKILL
    _assert_ended(mark)


def test_nothing_outlives_a_run_that_is_given_up(tmp_path: Path) -> None:
    mark = tmp_path / "child"
    run = spread(_work, ["a", str(mark)], 2, 60)
    assert next(run).name == "a"
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.05)
    run.close()
    _assert_ended(mark)


def _assert_ended(mark: Path) -> None:
    status, until = Path(f"/proc/{mark.read_text()}/stat"), time.monotonic() + 30
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_time_of_each_is_its_own() -> None:
    began = time.monotonic()
    ended = {one.name: one.seconds for one in spread(lambda name: time.sleep(float(name)), ["0.3", "0"], 1, 60)}
    passed = time.monotonic() - began
    assert 0.3 <= ended["0.3"] <= passed and 0 <= ended["0"] <= passed - 0.3
