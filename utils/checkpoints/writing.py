"""Tensors written, files copied and linked: each whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from files.writing import PART, Tell, write_file

from checkpoints.headers import Tensor, encode_header
from checkpoints.tensors import CHUNK


HARD, SYMLINK, COPY = "hard", "symlink", "copy"
# What systems answer when they cannot make this hard link, rather than none at all.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def write_tensors(
    path: Path, tensors: list[Tensor], chunks: Callable[[Tensor], Iterable[bytes]], tell: Tell = lambda _: None
) -> None:
    """Write a safetensors file tensor by tensor; ValueError when a tensor brings another number of bytes than it has.

    Args:
        path: the file.
        tensors: in the order of their bytes.
        chunks: a tensor -> its bytes, in pieces.
        tell: called with the number of bytes that were written.
    """

    def everything() -> Iterable[bytes]:
        yield encode_header(tensors, {"format": "pt"})
        for tensor in tensors:
            left = tensor.size
            for chunk in chunks(tensor):
                left -= len(chunk)
                yield chunk
            if left:
                raise ValueError(f"`{tensor.name}` brought {tensor.size - left} bytes, but has {tensor.size}")

    write_file(path, everything(), tell)


def copy_file(source: Path, target: Path, tell: Tell = lambda _: None) -> None:
    """Copy the bytes of a file, and not its rights: what was copied can be changed."""
    with open(source, "rb") as file:
        write_file(target, iter(lambda: file.read(CHUNK), b""), tell)


def link_file(source: Path, target: Path, how: str) -> str:
    """Link a file, in place of whatever has its name; returns how it was done: COPY means that nothing was."""
    if how == COPY:
        return COPY
    temporary = target.with_name(target.name + PART)
    temporary.unlink(missing_ok=True)
    try:
        if how == SYMLINK:
            temporary.symlink_to(source)
        else:
            os.link(source, temporary)
    except OSError as error:
        if how == SYMLINK or error.errno not in _NO_LINK:
            raise
        return COPY
    temporary.replace(target)
    temporary.unlink(missing_ok=True)  # replacing a file by another link to itself leaves both
    return how


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two names lead to one file."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def free_space(folder: Path) -> int:
    """Bytes that can be written to the file system of a folder, which need not exist yet."""
    return shutil.disk_usage(existing(folder)).free


def existing(path: Path) -> Path:
    """The path itself or the nearest folder above it that exists."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())
