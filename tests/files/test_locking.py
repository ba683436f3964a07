"""One process at a time has the lock of a file or a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from files import locking
from files.locking import lock, lock_folder


pytest.importorskip("fcntl")
HOLDER = """
import sys
from pathlib import Path
from files.locking import lock_folder
lock_folder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has the lock of a folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(locking.__file__).parents[1])}
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        yield other


def test_a_folder_is_one_processes_until_that_ends(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as other:
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        with pytest.raises(BlockingIOError):
            lock_folder(tmp_path)
        assert not before or len(os.listdir("/proc/self/fd")) == before  # nothing stays open
        other.kill()
        other.wait()
        handle = lock_folder(tmp_path, wait=True)
    assert handle is not None
    os.close(handle)


def test_closing_gives_a_lock_back(tmp_path: Path) -> None:
    first = lock_folder(tmp_path)
    with pytest.raises(BlockingIOError):
        lock_folder(tmp_path)
    assert first is not None
    os.close(first)
    second = lock_folder(tmp_path)
    assert second is not None
    os.close(second)


def test_a_file_is_locked_as_long_as_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with open(path, "w") as one, open(path) as other:
        lock(one)
        with pytest.raises(BlockingIOError):
            lock(other)
    with open(path) as other:
        lock(other)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lock_folder(tmp_path / "none")


def test_a_system_without_file_locks_refuses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "fcntl", None)
    assert lock_folder(tmp_path) is None and lock_folder(tmp_path / "none") is None
    with open(tmp_path / "file", "w") as one, open(tmp_path / "file") as other:
        lock(one)
        lock(other)
