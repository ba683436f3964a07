"""Files and folders that one process holds at a time. Where a system has no file locks, whoever asks has what it asks for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any


try:
    import fcntl
except ImportError:  # a system without file locks: processes that run at once are on their own there
    fcntl = None  # type: ignore[assignment]  # mypy knows the systems that have it


def lock(file: int | IO[Any], wait: bool = False) -> None:
    """Take the lock of an open file or folder, which ends when it is closed, or with the process.

    Raises:
        BlockingIOError: another process has it, and `wait` is not set.
        OSError: the file system has no locks.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_folder(folder: Path, wait: bool = False) -> int | None:
    """Open a folder and take its lock: what `os.close` gives it back with. None where a system has no file locks.

    Raises:
        BlockingIOError: another process has it, and `wait` is not set.
        OSError: there is no such folder, or its file system has no locks.
    """
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock(handle, wait)
    except BaseException:
        os.close(handle)
        raise
    return handle
