"""A file written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path


PART = ".part"  # a name that ends so is of a file that is not finished

Tell = Callable[[int], None]  # called with the number of bytes that were dealt with


def write_file(
    path: Path, chunks: Iterable[bytes | memoryview], tell: Tell = lambda _: None, part: str = PART
) -> None:
    """Write a file under a temporary name beside it, and give it its own when every byte is on the disk.

    Whoever reads `path` meanwhile finds what was there before. A link is replaced by a file of its own, and what it leads
    to is left as it was. What a killed process leaves is `path` with `part` behind it, which the next one replaces; of
    whatever else stops the writing, nothing is left.

    Args:
        path: the file, in a folder that is there.
        chunks: its bytes, in order.
        tell: called with the length of every chunk that was written.
        part: what the temporary name ends with; processes that may write one file at a time each give another.

    Raises:
        OSError: the disk is full, the folder cannot be written to, `path` is a folder. It names `path`.
        Exception: whatever `chunks` raises.
    """
    if _takes_bytes_as_they_come(path):
        with open(path, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
                tell(len(chunk))
        return
    temporary = path.with_name(path.name + part)
    try:
        temporary.unlink(missing_ok=True)
        with open(temporary, "xb") as file:  # never through a link that somebody else has put there
            for chunk in chunks:
                file.write(chunk)
                tell(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        if not isinstance(error, FileExistsError):  # another process began to write it: it is that one's
            with suppress(OSError):
                temporary.unlink()
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # what whoever asked for it knows
            del error.filename2  # of a renaming: the same
        raise


def _takes_bytes_as_they_come(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def write_text(path: Path, text: str, errors: str = "strict", part: str = PART) -> None:
    """Write a text in UTF-8, as `write_file` writes bytes.

    Args:
        path: the file, in a folder that is there.
        text: what it says; line ends stay as they are.
        errors: what becomes of halves of characters, as for `str.encode`.
        part: as for `write_file`.

    Raises:
        UnicodeEncodeError: the text has half a character, and `errors` is "strict". Nothing was touched.
        OSError: as `write_file`.
    """
    write_file(path, [text.encode("utf-8", errors)], part=part)


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write several texts in UTF-8, all of them or none: each under a temporary name first, as `write_file` does it.

    Folders that are not there are made.

    Args:
        texts: file -> what it says; line ends stay as they are.

    Raises:
        IsADirectoryError: one of them is a folder. Files that were there are as they were.
        OSError: one of them cannot be written, likewise.
    """
    staged: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            path.parent.mkdir(parents=True, exist_ok=True)
            staged[path] = path if _takes_bytes_as_they_come(path) else path.with_name(path.name + PART)
            write_text(staged[path], text)
        for path, temporary in staged.items():
            if temporary != path:
                temporary.replace(path)
    except BaseException:
        for path, temporary in staged.items():
            with suppress(OSError):
                if temporary != path:
                    temporary.unlink()
        raise
