"""A folder that is filled beside its final place and takes it in one step, so that nobody ever finds half of it."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from types import TracebackType

from checkpoints.errors import CheckpointError
from checkpoints.paths import is_there, read_small
from checkpoints.writing import sync_folder, write_file


try:
    import fcntl
except ImportError:  # a system without file locks: whoever runs twice at once is on their own there
    fcntl = None


PROGRESS = "quality_gate_progress.json"
_SUFFIX = ".partial"
_LARGEST = 64 << 20  # bytes of PROGRESS


class Staging:
    """`OUTPUT.partial`, from its first file to its renaming.

    It holds PROGRESS from the beginning to the end, with the fingerprint of the run that it belongs to: a run with the
    same one goes on in it, another one starts over. A folder of that name without PROGRESS is not ours, and is refused.
    One process at a time may have it.
    """

    def __init__(self, output: Path, fingerprint: str) -> None:
        self.output, self.fingerprint = output, fingerprint
        self.folder = partial_folder(output)
        self._handle: int | None = None

    def __enter__(self) -> Staging:
        _refuse_current_folder(self.output)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock()
        found = _fingerprint(self.folder)
        if found is None and any(not name.endswith(".part") for name in os.listdir(self.folder)):
            raise CheckpointError(self.folder, "is no partial checkpoint of this command", "move or remove it")
        if found != self.fingerprint:
            self._empty()
            text = json.dumps({"partial": True, "fingerprint": self.fingerprint})
            write_file(self.folder / PROGRESS, [text.encode()])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A refusal takes the folder away; whatever else stops a run leaves it, to go on from."""
        if isinstance(error, CheckpointError) and not error.resumable and self._handle is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def has(self, name: str, size: int) -> bool:
        """Whether an earlier run finished this file: files get their names when they are complete."""
        try:
            return (self.folder / name).stat().st_size == size
        except OSError:
            return False

    def publish(self) -> None:
        """Give the folder its final name."""
        sync_folder(self.folder)
        try:
            self.folder.rename(self.output)  # in place of an empty folder as well
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            message = "was made by another process meanwhile"
            raise CheckpointError(self.output, message, "look at it, and choose another --output") from error
        forget_progress(self.output)

    def _lock(self) -> None:
        self._handle = os.open(self.folder, os.O_RDONLY)
        if fcntl is None:
            return
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._handle)
            self._handle = None
            raise CheckpointError(self.folder, "another process is writing it", "wait for it to finish") from error

    def _empty(self) -> None:
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def partial_folder(output: Path) -> Path:
    """Where the files of an output are until it is complete."""
    place = Path(os.path.abspath(output))  # "." has no name of its own
    return place.with_name(place.name + _SUFFIX)


def _refuse_current_folder(output: Path) -> None:
    """The folder is replaced by the complete one, and whoever is in it would be left in one that is nowhere."""
    try:
        here = os.path.samefile(output, os.curdir)
    except OSError:  # one of them is not there
        return
    if here:
        fix = "name a new folder as --output, or run the command from elsewhere"
        raise CheckpointError(output, "is the current folder, which would be replaced", fix)


def forget_progress(folder: Path) -> None:
    """Remove what says that a folder is partial; a run that was killed just before this leaves it in a complete one."""
    (folder / PROGRESS).unlink(missing_ok=True)


def was_just_published(output: Path, fingerprint: str) -> bool:
    """Whether a run with this fingerprint was killed between its last two steps: the output is complete then."""
    if _fingerprint(output) != fingerprint:
        return False
    forget_progress(output)
    return True


def _fingerprint(folder: Path) -> str | None:
    """Of the run that a partial folder belongs to; "" where that cannot be read, None where nothing says it is ours."""
    path = folder / PROGRESS
    if not is_there(path):
        return None
    try:
        return str(json.loads(read_small(folder, path, _LARGEST))["fingerprint"])
    except (ValueError, KeyError, TypeError, RecursionError, CheckpointError):
        return ""
