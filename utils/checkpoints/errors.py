"""Problems of checkpoints as one line each: which file, what is wrong with it, what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CheckpointError(Exception):
    """A checkpoint was refused, or could not be written.

    `resumable` says that what is left behind is a partial folder, which running again completes.
    """

    def __init__(self, path: Path | str, message: str, fix: str, resumable: bool = False) -> None:
        super().__init__(path, message, fix, resumable)
        self.path, self.message, self.fix, self.resumable = str(path), message, fix, resumable

    def __str__(self) -> str:
        return f"{self.path}: {self.message}; fix: {self.fix}".replace("\n", " ")


_FIXES = {
    errno.ENOSPC: "free disk space, then run the same command again: it goes on where it stopped",
    errno.EDQUOT: "free disk space, then run the same command again: it goes on where it stopped",
    errno.EFBIG: "write to a file system that takes larger files, then run the same command again",
    errno.EROFS: "choose an --output that can be written to",
    errno.EACCES: "choose a folder that this user may read and write",
    errno.EPERM: "choose a folder that this user may read and write",
    errno.ELOOP: "replace the symbolic link that leads back to itself",
    errno.ENOENT: "give a path that exists",
    errno.ENOTDIR: "give a folder",
    errno.EIO: "check the disk, then run the same command again",
}


@contextmanager
def refusing_what_the_system_refuses(place: Path) -> Iterator[None]:
    """Turn the system's errors into one-line ones; those without a file of their own name `place`."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        fix = _FIXES.get(error.errno or 0, "see what the system says, and run the same command again")
        message = error.strerror or str(error) or type(error).__name__
        raise CheckpointError(error.filename or place, message.lower(), fix, resumable=full) from error
