"""Names that a file says, and the files under them: never a path out of the folder, never a pipe or a device.

A checkpoint comes from strangers. What its manifest, index or configuration calls a file, and what its links lead to,
passes through here before anything is read, written or measured.
"""

from __future__ import annotations

import stat
from pathlib import Path

from checkpoints.errors import CheckpointError


_LONGEST = 255  # bytes of a name, on every common file system
OUTSIDE, NO_FILE, TOO_LARGE = "outside-folder", "no-file", "too-large"
_SHARED = ("snapshots", "blobs")  # how the Hub's client keeps repositories: links from the one to the other


def is_plain(name: object) -> bool:
    """Whether this is the name of a file in a folder, and nothing else: no path, no drive, nothing unprintable."""
    if not isinstance(name, str) or name in ("", ".", "..") or not name.isprintable():
        return False
    return len(name.encode()) <= _LONGEST and Path(name).name == name and "\\" not in name


def file_inside(folder: Path, name: object, said_by: Path) -> Path:
    """The path of a file that another one names: by a plain name, or by several with slashes between them.

    Args:
        folder: what the name has to stay in.
        name: as it was read.
        said_by: the file that it was read from, for the text of a refusal.

    Raises:
        CheckpointError (`outside-folder`): the name leads anywhere else, or could.
    """
    if not isinstance(name, str) or not all(is_plain(part) for part in name.split("/")):
        fix = "name a file of the same folder there, without a path"
        raise CheckpointError(said_by, f"names {name!r}, which is not a file of this folder", fix, code=OUTSIDE)
    return folder / name


def is_there(path: Path) -> bool:
    """Whether something has this name: also a link that leads nowhere, which is a mistake and not an absence."""
    return path.is_symlink() or path.exists()


def resolve(path: Path) -> Path:
    """Where a path leads when every link is followed. Raises CheckpointError where that is nowhere."""
    try:
        return path.resolve(strict=True)
    except RuntimeError as error:  # how Python before 3.13 says that links form a loop
        fix = "replace the symbolic link that leads back to itself"
        raise CheckpointError(path, "is a loop of symbolic links", fix) from error
    except FileNotFoundError as error:
        what = "is a symbolic link to nothing" if path.is_symlink() else "does not exist"
        raise CheckpointError(path, what, "fetch the file again" if path.is_symlink() else "check the path") from error


def regular_file(path: Path) -> Path:
    """The file that a name leads to, wherever it is: weights may be linked from another disk.

    Raises CheckpointError (`no-file`) where that is a folder, or a pipe or device, which may never end.
    """
    real = resolve(path)
    if not stat.S_ISREG(real.stat().st_mode):
        kind = "a folder" if real.is_dir() else "a pipe, a socket or a device"
        raise CheckpointError(path, f"is not a file, but {kind}", "fetch the file again, or remove it", code=NO_FILE)
    return real


def own_file(folder: Path, path: Path) -> Path:
    """The file that a name in a folder leads to, which is in that folder as well, or in the Hub's cache of it.

    A link elsewhere, or to what is hidden (`.git/config`), is what a stranger's repository would copy somebody's keys
    with. Raises CheckpointError (`outside-folder`).
    """
    real, home = regular_file(path), resolve(folder)
    inside = real.is_relative_to(home) and not any(part.startswith(".") for part in real.relative_to(home).parts)
    if inside or real == home / path.relative_to(folder) or real.parent in _blobs(home):
        return real
    message = f"is a symbolic link to {real}, which is not a file of this folder"
    raise CheckpointError(path, message, "put the file itself in its place, or remove the link", code=OUTSIDE)


def read_small(folder: Path, path: Path, limit: int) -> bytes:
    """The bytes of a file of the folder. Raises CheckpointError (`too-large`) where there are more than `limit`."""
    real = own_file(folder, path)
    size = real.stat().st_size
    with open(real, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        message = f"has {max(size, len(data)):,} bytes, and {limit:,} are the most that is read"
        raise CheckpointError(path, message, "fetch the file again", code=TOO_LARGE)
    return data


def _blobs(home: Path) -> list[Path]:
    """Where the Hub's client keeps what it links from a folder: beside the snapshots that the folder is one of."""
    snapshots, blobs = _SHARED
    return [each.parent / blobs for each in home.parents if each.name == snapshots]
