"""One at a time: threads of a process, and processes that know the same lock file."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from files.locking import lock

from memory.errors import BankError


PATIENCE = 120.0  # seconds that one waits for another
_PAUSE = 0.02
_guard = threading.Lock()
_locks: dict[str, threading.RLock] = {}


@contextmanager
def locked(path: Path, seconds: float = PATIENCE) -> Iterator[None]:
    """Hold the lock file at `path`, which comes into being and stays. A thread may hold it several times.

    Raises BankError where somebody else has it for longer than `seconds`.
    """
    name = os.path.realpath(path)
    with _guard:
        of_threads = _locks.setdefault(name, threading.RLock())
    if not of_threads.acquire(timeout=seconds):
        raise _held(path, seconds)
    try:
        if _depth(name, 1) > 1:  # this thread has the file already
            yield
            return
        handle = _take(path, seconds)
        try:
            yield
        finally:
            os.close(handle)
    finally:
        _depth(name, -1)
        of_threads.release()


_depths = threading.local()


def _depth(name: str, step: int) -> int:
    depths: dict[str, int] = _depths.__dict__
    depths[name] = depths.get(name, 0) + step
    return depths[name]


def _take(path: Path, seconds: float) -> int:
    """The open lock file. Where its folder was replaced meanwhile, the new one's is taken."""
    end = time.monotonic() + seconds
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            lock(handle)
            if _is_at(handle, path):
                return handle
        except BlockingIOError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if time.monotonic() > end:
            raise _held(path, seconds)
        time.sleep(_PAUSE)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _held(path: Path, seconds: float) -> BankError:
    fix = "wait for it to finish, then run the same command again"
    return BankError(path, f"is held by another process or thread for more than {seconds:g} seconds", fix)
