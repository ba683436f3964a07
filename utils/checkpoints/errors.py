"""Problems of checkpoints as one line each: which file, what is wrong with it, what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diagnostics.errors import LocatedError
from diagnostics.values import Diagnostic


class CheckpointError(LocatedError):
    """A checkpoint was refused, or could not be written.

    `resumable` says that what is left behind is a partial folder, which running again completes; `code`, where there is
    one, is of docs/errors.md.
    """

    def __init__(self, path: Path | str, message: str, fix: str, resumable: bool = False, code: str = "") -> None:
        super().__init__(path, message, fix, resumable, code)
        self.diagnostics = (Diagnostic(code, str(path), 0, 0, message, fix),)
        self.resumable = resumable

    def __str__(self) -> str:
        code = f"{self.code}: " if self.code else ""
        return f"{_one_line(self.path)}: {code}{_one_line(self.message)}; fix: {_one_line(self.fix)}"


_LONGEST = 4000  # characters of a message: names from files can be of any length


def _one_line(text: str) -> str:
    """A text that may hold a stranger's names: nothing in it moves a terminal's cursor, and it has an end."""
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 80]} ... {text[-60:]}"
    return "".join(each if each.isprintable() else " " if each.isspace() else ascii(each)[1:-1] for each in text)


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
    """Raise CheckpointError, on one line, for errors of the system; those without a file of their own name `place`."""
    try:
        yield
    except OSError as error:
        raise refused_by_the_system(error, place) from error


def refused_by_the_system(error: OSError, place: Path | str) -> CheckpointError:
    """An error of the system as one of ours, of its own file or else of `place`."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    fix = _FIXES.get(error.errno or 0, "see what the system says, and run the same command again")
    message = error.strerror or str(error) or type(error).__name__
    return CheckpointError(error.filename or place, message.lower(), fix, resumable=full)
