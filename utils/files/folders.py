"""A folder that comes into being whole: it is filled beside its place, and takes it in one step."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def filled(place: Path) -> Iterator[Path]:
    """A new, empty folder beside `place`, which has its name when the block ends, and is gone where the block raises.

    Args:
        place: its folder is made where there is none. Where somebody else has filled it meanwhile, theirs is kept.

    Raises:
        OSError: the folder cannot be made or moved, or `place` is a file.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parent, prefix=f".{place.name}-", ignore_cleanup_errors=True) as beside:
        folder = Path(beside, "filled")
        folder.mkdir()
        yield folder
        with suppress(FileExistsError):
            take_place(folder, place)


@contextmanager
def filled_in_place(folder: Path) -> Iterator[Path]:
    """A folder that is not there or empty, and is so again where the block raises. One that is there keeps its place.

    Raises:
        FileExistsError: it holds something, or is a file. It is left as it was.
        OSError: it cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    if not missing and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except BaseException:
        for each in folder.iterdir() if folder.is_dir() else ():
            _remove(each)
        for each in missing:
            with suppress(OSError):
                each.rmdir()
        raise


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, as far as that goes."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink()


def take_place(folder: Path, place: Path) -> None:
    """Give a filled folder its name, once the names in it are on the disk; an empty folder of that name is replaced.

    Raises:
        FileExistsError: a folder is there that holds something. It is left as it was, and so is `folder`.
        OSError: the two are on different disks, or `place` is a file.
    """
    sync_folder(folder)
    try:
        folder.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place)) from error


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk. Raises OSError where there is no such folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
